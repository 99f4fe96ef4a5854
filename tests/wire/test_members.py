"""One member changes, and nothing else does."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.wire.members import set_member

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), _values), _values)
def test_only_the_member_at_the_path_changes(message: dict[str, Any], value: Any) -> None:
    message["params"] = {**message, "_meta": {"a": 1}}
    text = json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        msgspec.json.decode(text)
    except (ValueError, UnicodeError):
        return
    changed = set_member(text, ("params", "_meta", "token"), json.dumps(value).encode())
    message["params"]["_meta"]["token"] = value
    assert json.loads(changed) == message
    assert list(json.loads(changed)) == list(message)
    assert b"\n" not in changed
    assert not any(end in changed.decode() for end in "\u2028\u2029\x85")


def test_every_other_value_keeps_its_spelling() -> None:
    text = b'{ "id" : 1 ,"x": [1.0, 1e2,123456789012345678901234567890, "\\u0041\\/" ] }'
    assert set_member(text, ("id",), b'"a"') == (
        b'{"id":"a","x":[1.0, 1e2,123456789012345678901234567890, "\\u0041\\/" ]}'
    )


@pytest.mark.parametrize("text", [b"[]", b"1", b"{", b'{"a":1}', b'{"a":[]}', b"{}"])
def test_a_path_that_is_not_there_is_an_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        set_member(text, ("a", "b"), b"1")


def test_nesting_beyond_all_bounds_is_an_error_and_no_crash() -> None:
    with pytest.raises(RecursionError):
        set_member(b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", ("id",), b"1")
