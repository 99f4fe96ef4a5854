"""What is judged is what is forwarded and what real readers see, for any value and any spelling of it."""

import json
import shutil
import subprocess
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire_frames import LINE_ENDS, as_exact, call, exact, json_objects, json_values, line, spellings

from callgate.errors import WireRefusal
from callgate.wire.compact import compact, escape_line_ends
from callgate.wire.strict import ClientFrame, read_client_frame

LARGE = 8_192
NODE = shutil.which("node")
# What stdio servers written for Node do: readline, then JSON.parse.
NODE_SERVER = """
require('readline').createInterface({input: process.stdin}).on('line', text => {
  let answer;
  try { answer = {value: JSON.parse(text)} } catch (error) { answer = {refused: true} }
  console.log(JSON.stringify(answer));
});
"""


def accepted(data: bytes) -> ClientFrame | None:
    try:
        return read_client_frame(data)
    except WireRefusal as refusal:
        # White space and escapes are never a reason; only underflow and digits beyond reason are.
        assert refusal.code == "WIR008", refusal.message  # noqa: PT017
        return None


@given(st.data(), json_objects)
def test_any_spelling_is_judged_as_it_will_be_read(data: st.DataObject, arguments: dict[str, Any]) -> None:
    text = data.draw(spellings(call(arguments=arguments)))
    frame = accepted(text)
    if frame is not None:
        assert exact(frame.forward) == exact(text) == as_exact(frame.message)
        assert not any(end in frame.forward for end in LINE_ENDS)
        assert min(frame.forward) >= 0x20
        again = read_client_frame(frame.forward)
        assert (again.forward, as_exact(again.message)) == (frame.forward, as_exact(frame.message))


@given(json_values)
def test_the_canonical_spelling_is_forwarded_as_it_is(value: Any) -> None:
    text = line(call(arguments={"x": value}))
    frame = read_client_frame(text)
    assert json.loads(frame.forward) == json.loads(text)
    assert as_exact(frame.message) == exact(text)


@given(st.data(), json_objects)
def test_a_large_call_is_read_like_a_small_one(data: st.DataObject, arguments: dict[str, Any]) -> None:
    text = data.draw(spellings(call(arguments=arguments)))
    small = accepted(text)
    large = accepted(text[:-1] + b" " * LARGE + text[-1:])
    if small is None or large is None:
        assert small is large
        return
    assert (large.forward, as_exact(large.message)) == (small.forward, as_exact(small.message))
    if large.arguments is not None:
        assert large.params is not None
        assert large.arguments == msgspec.json.encode(large.params["arguments"])


def test_the_arguments_of_a_large_call_are_spelled_once() -> None:
    text = line(call(arguments={"x": "a" * LARGE, "y": [1.5, None]}))
    frame = read_client_frame(text)
    assert frame.forward == text
    assert frame.arguments == text[text.index(b'{"x"') : text.rindex(b"]}") + 2]


@given(st.data(), json_values)
def test_compacting_removes_white_space_and_nothing_else(data: st.DataObject, value: Any) -> None:
    text = data.draw(spellings(value))
    small = escape_line_ends(compact(text))
    assert exact(small) == exact(text)
    assert compact(small) == small


@given(st.binary(max_size=200) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_arbitrary_bytes_raise_nothing_but_a_refusal(data: bytes) -> None:
    try:
        read_client_frame(data)
    except WireRefusal as refusal:
        assert refusal.message.isprintable()  # noqa: PT017


def in_node(lines: list[bytes]) -> list[Any]:
    assert NODE is not None, "install Node.js 20 or later"
    done = subprocess.run(
        [NODE, "-e", NODE_SERVER], input=b"\n".join(lines) + b"\n", capture_output=True, check=True
    )
    return [json.loads(answer) for answer in done.stdout.splitlines()]


def test_node_finds_a_smuggled_call_in_the_original_and_none_in_what_is_forwarded() -> None:
    smuggled = line(call("rm"))
    ping = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":\r%b\r}}' % smuggled
    assert {"value": call("rm")} in in_node([ping])
    assert in_node([read_client_frame(ping).forward]) == [{"value": json.loads(ping)}]


def test_python_cuts_no_line_inside_what_is_forwarded() -> None:
    ping = line({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": "\u2028{}\u2029{}\u0085{}"}})
    assert len(ping.decode().splitlines()) == 4
    assert read_client_frame(ping).forward.decode().splitlines() == [read_client_frame(ping).forward.decode()]


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), st.lists(json_objects, min_size=20, max_size=20))
def test_node_reads_the_value_that_was_judged(data: st.DataObject, many: list[dict[str, Any]]) -> None:
    frames = [accepted(data.draw(spellings(call(arguments=arguments)))) for arguments in many]
    read = [frame for frame in frames if frame is not None]
    answers = in_node([frame.forward for frame in read])
    assert len(answers) == len(read)
    for answer, frame in zip(answers, read, strict=True):
        assert as_doubles(answer["value"]) == as_doubles(frame.message)


def as_doubles(value: Any) -> Any:
    """JavaScript knows numbers as doubles alone."""
    if isinstance(value, list):
        return [as_doubles(item) for item in value]
    if isinstance(value, dict):
        return {key: as_doubles(item) for key, item in value.items()}
    return value if value is None or isinstance(value, bool | str) else float(value)
