"""What holds for all of a client frame: bounded depth, keys that no reader can confuse, numbers in range.

Readers differ: some match keys without regard to case (Go's encoding/json, .NET and Jackson if told to), some
read numbers as doubles. A frame on which they would disagree is refused.
"""

from itertools import chain
from typing import Any

from callgate.text import quote
from callgate.wire.careful import DoubtError

MAX_DEPTH = 64
# Folding takes the square of a key's length (a run of accents is sorted) and up to 18 times its space.
MAX_FOLDED_KEY_LENGTH = 256
MAX_FOLDED_LENGTH = 1 << 18
"""Of all different keys of a frame that are not ASCII, together."""
# The first integer that rounds to infinity as a double.
_INFINITE = 2**1024 - 2**970
_STRIDE = 100
_DIGITS_AS_NOUGHTS = bytes.maketrans(b"123456789", b"0" * 9)
_SHORT = 1024
"""In texts of up to so many bytes counting is faster than searching for one after the other."""


# Key sets already found clear. Frames repeat a few shapes; bounded, so that nobody can fill the memory.
_clear: set[tuple[str, ...]] = set()
_MAX_CLEAR, _MAX_CLEAR_KEYS, _MAX_CLEAR_LENGTH = 1_024, 32, 1_024


def check_bounds(message: Any, forward: bytes) -> None:
    """Raise DoubtError unless `message` is an object within all bounds; `forward` is its spelling.

    The keys of `message` itself are left to the caller, who knows them all. The common frame (params, in it objects
    without containers inside, and the envelope of 2026-07-28) is checked without a walk: if the text has as many
    brackets as the objects looked at, there are no others.
    """
    if type(message) is not dict:
        raise DoubtError("WIR003", "the frame is not one JSON object; batches are not accepted")
    seen = 1
    folding = _Folding()
    params = message.get("params")
    if type(params) is dict:
        seen = 2
        if (keys := tuple(params)) not in _clear:
            _check_keys(keys, folding)
        for name, value in params.items():
            if type(value) is dict:
                seen += 1
                if (keys := tuple(value)) not in _clear:
                    _check_keys(keys, folding)
                if name == "_meta":
                    seen += _check_envelope(value, folding)
    if _has_brackets_beyond(forward, seen):
        _walk(message, folding)
    # 309 digits cover three places of every hundredth byte: a look at those tells whether to look at all.
    if len(forward) > 308 and b"000" in forward[::_STRIDE].translate(_DIGITS_AS_NOUGHTS):
        _check_integers([message])


def _has_brackets_beyond(text: bytes, known: int) -> bool:
    """Whether `text` has more than `known` opening brackets, those inside strings included."""
    if len(text) <= _SHORT:
        return text.count(b"{") + text.count(b"[") > known
    for bracket in (b"{", b"["):
        at = text.find(bracket)
        while at >= 0:
            known -= 1
            if known < 0:
                return True
            at = text.find(bracket, at + 1)
    return False


def _check_envelope(meta: dict[str, Any], folding: "_Folding") -> int:
    """Check the objects that every request of 2026-07-28 has in its `_meta`; returns how many there are."""
    seen = 0
    for value in meta.values():
        if type(value) is dict:
            seen += 1
            if (keys := tuple(value)) not in _clear:
                _check_keys(keys, folding)
            for inner in value.values():
                if type(inner) is dict:
                    seen += 1
                    if (keys := tuple(inner)) not in _clear:
                        _check_keys(keys, folding)
    return seen


class _Folding:
    """What the keys of one frame have in common with all that look like them."""

    __slots__ = ("_folded", "_left")

    def __init__(self) -> None:
        self._folded: dict[str, str] = {}
        self._left = MAX_FOLDED_LENGTH

    def fold(self, key: str) -> str:
        """`key` without case and compatibility forms; DoubtError if that is too much work."""
        if key.isascii():
            return key.lower()
        folded = self._folded.get(key)
        if folded is None:
            self._left -= len(key)
            if len(key) > MAX_FOLDED_KEY_LENGTH or self._left < 0:
                raise DoubtError("WIR016", "the keys that are not ASCII are too long to be compared")
            from unicodedata import normalize  # a megabyte; most frames have ASCII keys

            # Upper-casing first joins what only some case mappings join: dotless i, long s, the Kelvin sign.
            folded = normalize("NFKC", normalize("NFKC", key).upper().casefold())
            self._folded[key] = folded
        return folded


def _walk(message: dict[str, Any], folding: _Folding) -> None:
    # Level by level, and by shapes rather than objects: a thousand rows of one shape are looked at once.
    objects: list[dict[str, Any]] = [message]
    arrays: list[list[Any]] = []
    for _ in range(MAX_DEPTH):
        for keys in set(map(tuple, objects)) - _clear:
            _check_keys(keys, folding)
        values = [*chain.from_iterable(map(dict.values, objects)), *chain.from_iterable(arrays)]
        kinds = set(map(type, values))
        objects = [value for value in values if type(value) is dict] if dict in kinds else []
        arrays = [value for value in values if type(value) is list] if list in kinds else []
        if not objects and not arrays:
            return
    raise DoubtError("WIR006", f"the frame is nested deeper than {MAX_DEPTH} levels")


def _check_keys(keys: tuple[str, ...], folding: _Folding) -> None:
    joined = "\n".join(keys)
    if joined.isascii():
        # A key with a newline inside only makes more pieces; pieces that all differ prove that the keys do.
        pieces = joined.lower().split("\n")
        if len(set(pieces)) == len(pieces):
            if len(pieces) <= _MAX_CLEAR_KEYS and len(joined) <= _MAX_CLEAR_LENGTH:
                if len(_clear) >= _MAX_CLEAR:
                    _clear.clear()
                _clear.add(keys)
            return
    folded: dict[str, str] = {}
    for key in keys:
        other = folded.setdefault(folding.fold(key), key)
        if other is not key:
            raise DoubtError("WIR005", f"the keys {quote(other, 60)} and {quote(key, 60)} look alike")


def _check_integers(level: list[Any]) -> None:
    while level:
        below: list[Any] = []
        for container in level:
            for value in container.values() if type(container) is dict else container:
                if type(value) is int:
                    if not -_INFINITE < value < _INFINITE:
                        raise DoubtError("WIR008", "an integer is too large")
                elif type(value) is dict or type(value) is list:
                    below.append(value)
        level = below
