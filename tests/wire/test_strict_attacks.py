"""Every attack by name, each beside the ordinary frame that still passes."""

from typing import Any

import pytest
from wire_frames import call, line, read, refused

from callgate.wire.strict import read_client_frame

ORDINARY = line(call())
LONG_KEYS = ["é" * 250 + f"{number:06}" for number in range(1025)]


def inside(fragment: bytes) -> bytes:
    """A tools/call whose argument `x` is spelled as `fragment`."""
    return line(call(arguments={"x": 0})).replace(b'{"x":0}', b'{"x":' + fragment + b"}")


def test_the_ordinary_call_is_forwarded_byte_for_byte() -> None:
    frame = read_client_frame(ORDINARY)
    assert (frame.kind, frame.method, frame.id, frame.forward) == ("request", "tools/call", 7, ORDINARY)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"é" * 256: 1, "É" * 255: 2}, id="just short enough"),
        pytest.param({"a" * 100_000: 1}, id="ASCII of any length"),
        pytest.param(dict.fromkeys(LONG_KEYS[:1024], 1), id="just few enough"),
        pytest.param(
            [{"é" * 256: 1, f"k{number}": 2} for number in range(1025)], id="one key in many objects"
        ),
    ],
)
def test_long_keys_that_can_be_compared_pass(value: Any) -> None:
    frame = read(call(arguments={"x": value}))
    assert frame.params is not None
    assert frame.params["arguments"] == {"x": value}


@pytest.mark.parametrize("blank", [b"\r", b"\n", b" \r \t\n"])
def test_a_call_hidden_between_carriage_returns_becomes_one_line(blank: bytes) -> None:
    ping = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":%b}}' % (blank + ORDINARY + blank)
    forward = read_client_frame(ping).forward
    assert forward == ping.replace(blank, b"")


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\u0085"])
def test_characters_at_which_readers_end_a_line_are_escaped(character: str) -> None:
    frame = read(call(arguments={"x": character}))
    assert frame.forward == line(call(arguments={"x": 0})).replace(b":0}", b':"\\u%04x"}' % ord(character))
    assert frame.params is not None
    assert frame.params["arguments"] == {"x": character}


@pytest.mark.parametrize(
    ("attack", "code", "rpc_code"),
    [
        pytest.param(
            inside(b"1").replace(b'"name"', b'"name":"rm","name"'), "WIR004", -32600, id="name twice"
        ),
        pytest.param(inside(b"1").replace(b'"id":7', b'"id":7,"id":8'), "WIR004", -32600, id="id twice"),
        pytest.param(inside(b'{"a":1,"a":1}'), "WIR004", -32600, id="the same value twice"),
        pytest.param(inside(b'{"a":1,"\\u0061":2}'), "WIR004", -32600, id="twice by escape"),
        pytest.param(
            inside(b'"%b"' % (b"a" * 8_192)).replace(b'"arguments"', b'"arguments":{"x":2},"arguments"'),
            *("WIR004", -32600),
            id="large arguments twice",
        ),
        pytest.param(inside(b"1").replace(b'"name"', b'"NAME":"rm","name"'), "WIR005", -32600, id="NAME"),
        pytest.param(inside(b'{"k":1,"\xe2\x84\xaa":2}'), "WIR005", -32600, id="kelvin sign"),
        pytest.param(inside(b'{"s":1,"\xc5\xbf":2}'), "WIR005", -32600, id="long s"),
        pytest.param(inside(b'{"i":1,"\xc4\xb1":2}'), "WIR005", -32600, id="dotless i"),
        pytest.param(inside(b'{"a":1,"\xef\xbd\x81":2}'), "WIR005", -32600, id="full width"),
        pytest.param(inside(b'{"a\\nb":1,"A\\nB":2}'), "WIR005", -32600, id="newline in keys"),
        pytest.param(inside(b'[[{"b":1,"B":2}]]'), "WIR005", -32600, id="deep inside"),
        pytest.param(
            inside(b'["%b",{"b":1,"B":2}]' % (b"a" * 2000)), "WIR005", -32600, id="behind a long text"
        ),
        pytest.param(
            inside(b'[{"b":1,"B":2},"%b"]' % (b"a" * 2000)), "WIR005", -32600, id="before a long text"
        ),
        pytest.param(
            inside(b'"%b","y":{"b":1,"B":2}' % (b"a" * 2000)),
            *("WIR005", -32600),
            id="in one more object of a long frame",
        ),
        pytest.param(inside(b"NaN"), "WIR001", -32700, id="NaN"),
        pytest.param(inside(b"-Infinity"), "WIR001", -32700, id="Infinity"),
        pytest.param(b"\xef\xbb\xbf" + ORDINARY, "WIR001", -32700, id="byte order mark"),
        pytest.param(inside(b'"\xff"'), "WIR002", -32700, id="bad UTF-8"),
        pytest.param(inside(b'"\xed\xa0\x80"'), "WIR002", -32700, id="surrogate in UTF-8"),
        pytest.param(inside(b'"\xc0\xae"'), "WIR002", -32700, id="overlong UTF-8"),
        pytest.param(inside(b'"\\ud800"'), "WIR001", -32700, id="lone high surrogate"),
        pytest.param(inside(b'"\\udc00x"'), "WIR001", -32700, id="lone low surrogate"),
        pytest.param(inside(b'"\x00"'), "WIR001", -32700, id="NUL in a string"),
        pytest.param(ORDINARY + b"\x00", "WIR001", -32700, id="NUL behind"),
        pytest.param(inside(b'"\r"'), "WIR001", -32700, id="carriage return in a string"),
        pytest.param(ORDINARY + ORDINARY, "WIR001", -32700, id="two frames in a line"),
        pytest.param(inside(b"1e400"), "WIR008", -32600, id="1e400"),
        pytest.param(inside(b"-1e400"), "WIR008", -32600, id="-1e400"),
        pytest.param(inside(b"1e-400"), "WIR008", -32600, id="1e-400"),
        pytest.param(inside(b"0e99999"), "WIR008", -32600, id="zero with an absurd exponent"),
        pytest.param(inside(b"1" + b"0" * 309), "WIR008", -32600, id="an integer beyond doubles"),
        pytest.param(inside(b" 1" + b"0" * 309), "WIR008", -32600, id="the same with a space"),
        pytest.param(inside(b"1" * 5000), "WIR008", -32600, id="5,000 digits"),
        pytest.param(inside(b"0." + b"1" * 5000), "WIR008", -32600, id="5,000 decimals"),
        pytest.param(inside(line({"\u0301" * 129 + "\u0316" * 128: 1})), "WIR016", -32600, id="accents"),
        pytest.param(inside(line({"\ufdfa" * 257: 1})), "WIR016", -32600, id="a key that folds to far more"),
        pytest.param(inside(line([[{"a" * 256 + "é": 1}]])), "WIR016", -32600, id="long key deep inside"),
        pytest.param(inside(line(dict.fromkeys(LONG_KEYS, 1))), "WIR016", -32600, id="many long keys"),
        pytest.param(inside(line([{k: 1} for k in LONG_KEYS])), "WIR016", -32600, id="many objects"),
        pytest.param(inside(b"[" * 62 + b"]" * 62), "WIR006", -32600, id="65 levels"),
        pytest.param(inside(b" " + b"[" * 62 + b"]" * 62), "WIR006", -32600, id="65 levels and a space"),
        pytest.param(inside(b'{"":' * 99_999 + b"1" + b"}" * 99_999), "WIR006", -32600, id="100,000 levels"),
    ],
)
def test_a_frame_on_which_readers_disagree_is_refused_under_its_id(
    attack: bytes, code: str, rpc_code: int
) -> None:
    refusal = refused(attack)
    assert (refusal.code, refusal.rpc_code, refusal.expects_answer) == (code, rpc_code, True)
    trusted = b'"id":8' not in attack and attack != ORDINARY + ORDINARY
    # Where the outermost object cannot be followed there may be no id, but never a wrong one.
    assert refusal.request_id in ((7,) if trusted and not attack.endswith(b"\x00") else (None,))
    assert refusal.message.isprintable()


@pytest.mark.parametrize(
    "fragment",
    [
        b"1.0",
        b"1e2",
        b"-0",
        b"-0.0",
        b"1E+2",
        b"123456789012345678901234567890",
        b"9" * 308,
        b"1e308",
        b"5e-324",
        b"0e0",
        b"0.1000000000000000055511151231257827",
        b'"\\u0041\\/\\ud83d\\ude00"',
        b'"\\\\\\""',
        b'"a  b\\u2028"',
        b'"{{\'"',
        b'{"a":1,"b":{"a":1}}',
        b'[{"a":1},{"A":1}]',
        b"[" * 61 + b"]" * 61,
    ],
)
def test_a_value_keeps_its_spelling(fragment: bytes) -> None:
    assert read_client_frame(inside(fragment)).forward == inside(fragment)
    spaced = inside(b"\r\n " + fragment + b"\t")
    assert read_client_frame(spaced).forward == inside(fragment)


@pytest.mark.parametrize(
    "odd", [1.0, 7.5, True, False, None, {}, [], [7], 2**53, -(2**53), 10**30, "x" * 257]
)
def test_an_odd_id_is_refused_with_an_answer(odd: Any) -> None:
    refusal = refused(line(call(id=odd)))
    assert (refusal.code, refusal.rpc_code, refusal.expects_answer) == ("WIR010", -32600, True)
    assert refusal.request_id == (odd if odd in (2**53, -(2**53)) else None)


@pytest.mark.parametrize("good", [0, -1, 2**53 - 1, "", "7", "x" * 256, "é😀"])
def test_a_string_or_a_safe_integer_is_an_id(good: Any) -> None:
    frame = read(call(id=good))
    assert frame.id == good
    assert type(frame.id) is type(good)


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"jsonrpc": "1.0"}, "WIR009"),
        ({"jsonrpc": 2.0}, "WIR009"),
        ({"result": {}}, "WIR009"),
        ({"error": None}, "WIR009"),
        ({"Method": "tools/call"}, "WIR009"),
        ({"extra": 1}, "WIR009"),
        ({"method": ""}, "WIR011"),
        ({"method": None}, "WIR011"),
        ({"method": "tools/call\x00"}, "WIR011"),
        ({"method": "x" * 129}, "WIR011"),
        ({"method": ["tools/call"]}, "WIR011"),
        ({"params": None}, "WIR012"),
        ({"params": ["echo"]}, "WIR012"),
    ],
)
def test_a_frame_that_is_not_one_json_rpc_request_is_refused_under_its_id(
    members: dict[str, Any], code: str
) -> None:
    refusal = refused(line(call(**members)))
    assert (refusal.code, refusal.request_id, refusal.expects_answer) == (code, 7, True)


def test_a_frame_without_jsonrpc_is_refused() -> None:
    assert refused(b'{"id":7,"method":"tools/call","params":{"name":"echo"}}').code == "WIR009"


@pytest.mark.parametrize("batch", [b"[" + ORDINARY + b"]", b"[]", b"1", b'"tools/call"', b"null", b" [ ] "])
def test_a_batch_or_a_bare_value_is_answered_with_the_id_null(batch: bytes) -> None:
    refusal = refused(batch)
    assert (refusal.code, refusal.rpc_code, refusal.request_id) == ("WIR003", -32600, None)
    assert refusal.expects_answer


@pytest.mark.parametrize("name", [None, 5, "", "x" * 257, "rm\n", "rm\x1b[0m", "e\u200bcho", ["echo"]])
def test_a_call_without_a_plain_tool_name_is_refused(name: Any) -> None:
    params = {} if name is None else {"name": name}
    refusal = refused(line(call(params=params)))
    assert (refusal.code, refusal.rpc_code, refusal.request_id) == ("WIR013", -32602, 7)


def test_a_call_without_params_is_refused() -> None:
    assert refused(b'{"jsonrpc":"2.0","id":7,"method":"tools/call"}').code == "WIR013"


@pytest.mark.parametrize("arguments", ["rm", 0, False, [1]])
def test_arguments_that_are_no_object_are_refused(arguments: Any) -> None:
    assert refused(line(call(params={"name": "echo", "arguments": arguments}))).code == "WIR013"


@pytest.mark.parametrize(
    "params", [{"name": "écho"}, {"name": "echo", "arguments": None}, {"name": "x" * 256}]
)
def test_arguments_may_be_absent_or_null(params: dict[str, Any]) -> None:
    assert read(call(params=params)).params == params


def test_a_call_without_an_id_is_refused_and_answered_although_servers_run_it() -> None:
    frame = call()
    del frame["id"]
    refusal = refused(line(frame))
    assert (refusal.code, refusal.request_id, refusal.expects_answer) == ("WIR014", None, True)


def test_a_refused_notification_is_not_answered() -> None:
    text = b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"a":1,"a":2}}'
    assert not refused(text).expects_answer


def test_a_refused_response_is_not_answered_but_keeps_its_id_for_the_server() -> None:
    for text in (
        b'{"jsonrpc":"2.0","id":7,"result":NaN}',
        b'{"jsonrpc":"2.0","id":7,"result":{},"error":{}}',
    ):
        refusal = refused(text)
        assert (refusal.request_id, refusal.expects_answer) == (7, False)


def test_responses_and_notifications_of_the_ordinary_kind_pass() -> None:
    for value, kind in (
        ({"jsonrpc": "2.0", "id": "a", "result": {"roots": []}}, "response"),
        ({"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "no"}}, "response"),
        ({"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "no"}}, "response"),
        ({"jsonrpc": "2.0", "method": "notifications/initialized"}, "notification"),
        ({"method": "ping", "jsonrpc": "2.0", "id": 3}, "request"),
    ):
        frame = read(value)
        assert (frame.kind, frame.forward) == (kind, line(value))


def test_a_refusal_never_quotes_hostile_text_as_it_is() -> None:
    key = "\x1b[2J\u202e" + "k" * 10_000
    refusal = refused(line({"a": 1}).replace(b"a", line(key)[1:-1] + b'":1,"' + line(key)[1:-1]))
    assert refusal.code == "WIR004"
    assert refusal.message.isprintable()
    assert len(refusal.message) < 400
