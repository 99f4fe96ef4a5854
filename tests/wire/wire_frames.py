"""Frames for the wire tests: how to build one, and how to spell the same value in other ways."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from callgate.errors import WireRefusal
from callgate.wire.strict import ClientFrame, read_client_frame

LINE_ENDS = (b"\r", b"\n", b"\xe2\x80\xa8", b"\xe2\x80\xa9", b"\xc2\x85")


def call(name: Any = "echo", arguments: Any = None, **members: Any) -> dict[str, Any]:
    """A tools/call with id 7; `members` replaces or adds outermost members."""
    params = {"name": name, "arguments": {"text": "hi"} if arguments is None else arguments}
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params, **members}


def line(value: Any, **options: Any) -> bytes:
    """The usual spelling of a value."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, **options).encode()


def read(value: Any) -> ClientFrame:
    """Read the usual spelling."""
    return read_client_frame(line(value))


def refused(data: bytes) -> WireRefusal:
    """The refusal of `data`; fails if it is accepted."""
    try:
        frame = read_client_frame(data)
    except WireRefusal as refusal:
        return refusal
    raise AssertionError(f"accepted: {frame.forward!r}")


def exact(data: bytes) -> Any:
    """The value as a decimal-keeping reader sees it."""
    return json.loads(data, parse_float=Decimal)


def as_exact(value: Any) -> Any:
    """A judged value with its floats as the decimals they stand for."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, list):
        return [as_exact(item) for item in value]
    if isinstance(value, dict):
        return {key: as_exact(item) for key, item in value.items()}
    return value


_letters = st.characters(codec="utf-8")
_texts = st.text(_letters, max_size=12) | st.sampled_from(
    ["\u2028", "a\u0085b", '"\\', "\\\\", "}{", "\x00\x1f", "😀"]
)
# Keys of one object that only differ in case are refused, so they begin apart.
_keys = st.lists(st.text(_letters, max_size=5), unique=True, max_size=4).map(
    lambda texts: [f"{index}_{text}" for index, text in enumerate(texts)]
)
_numbers = (
    st.integers()
    | st.integers(-(10**60), 10**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.just(-0.0)
)


def _objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return _keys.flatmap(lambda keys: st.fixed_dictionaries(dict.fromkeys(keys, values)))


json_values = st.recursive(
    st.none() | st.booleans() | _numbers | _texts,
    lambda inner: st.lists(inner, max_size=4) | _objects(inner),
    max_leaves=12,
)
json_objects = _objects(json_values)


@st.composite
def spellings(draw: st.DrawFn, value: Any) -> bytes:
    """Some valid JSON text for `value`: white space, escapes, key order and number spellings drawn."""
    return _spell(draw, value).encode()


def _blank(draw: st.DrawFn) -> str:
    return draw(st.sampled_from(["", "", "", " ", "\t", "\r", " \r\n "]))


def _spell(draw: st.DrawFn, value: Any) -> str:
    before, after = _blank(draw), _blank(draw)
    if isinstance(value, dict):
        items = draw(st.permutations(list(value.items())))
        pairs = [
            f"{_blank(draw)}{_string(draw, key)}{_blank(draw)}:{_spell(draw, item)}" for key, item in items
        ]
        text = "{" + (",".join(pairs) or _blank(draw)) + "}"
    elif isinstance(value, list):
        text = "[" + (",".join(_spell(draw, item) for item in value) or _blank(draw)) + "]"
    elif isinstance(value, str):
        text = _string(draw, value)
    elif isinstance(value, float):
        text = draw(st.sampled_from([repr(value), f"{value:.25E}", repr(value).replace("e", "E")]))
    else:
        text = json.dumps(value)
    return before + text + after


def _string(draw: st.DrawFn, value: str) -> str:
    how = draw(st.sampled_from(["raw", "ascii", "escaped"]))
    if how != "escaped":
        return json.dumps(value, ensure_ascii=how == "ascii")
    units = value.encode("utf-16-be")
    pairs = (units[index : index + 2] for index in range(0, len(units), 2))
    return '"' + "".join(f"\\u{int.from_bytes(pair, 'big'):04X}" for pair in pairs) + '"'
