"""Every tool that some careless reader could find called in the same bytes: what must not be in it was not stopped.

Stands for all the readers that there are: those that take the first or the last of two keys, ignore case or compare
compatibility forms, stop keys at a NUL, unpack batches, cut lines at any character that ends one somewhere, guess the
encoding, replace what they cannot decode, or take what they can of what is cut off.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

_ENCODINGS = ("utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7")
_LINE_ENDS = re.compile("[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029\x00]+")


class _Members(list[tuple[str, Any]]):
    """An object with all of its members, also those of equal names."""

    def named(self, name: str) -> Iterator[Any]:
        for key, value in self:
            if _folded(key) == name:
                yield value


def called_tools(data: bytes) -> set[str]:
    """The names of all tools that `data` calls, for some reader or other."""
    found: set[str] = set()
    for text in {text for encoding in _ENCODINGS for text in _decoded(data, encoding)}:
        for piece in {text, *_LINE_ENDS.split(text)}:
            for message in _messages(piece):
                found |= set(_called(message))
    return found


def _decoded(data: bytes, encoding: str) -> Iterator[str]:
    for errors in ("strict", "replace", "ignore"):
        try:
            yield data.decode(encoding, errors)
        except (UnicodeError, ValueError):
            continue


def _messages(text: str) -> Iterator[Any]:
    """The values that stand in `text` one behind the other, whatever stands before each of them."""
    # Python itself refuses integers of thousands of digits.
    decoder = json.JSONDecoder(object_pairs_hook=_Members, strict=False, parse_int=str)
    at, tries = 0, 0
    while tries < 64:
        tries += 1
        starts = [place for place in (text.find("{", at), text.find("[", at)) if place >= 0]
        if not starts:
            return
        try:
            value, at = decoder.raw_decode(text, min(starts))
        except RecursionError:
            return
        except ValueError:
            at = min(starts) + 1
        else:
            yield value


def _called(message: Any) -> Iterator[str]:
    if isinstance(message, _Members):
        if "tools/call" in {_folded(method) for method in message.named("method") if isinstance(method, str)}:
            for params in message.named("params"):
                if isinstance(params, _Members):
                    yield from (_folded(name) for name in params.named("name") if isinstance(name, str))
    elif isinstance(message, list):
        for one in message:
            yield from _called(one)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text.partition("\0")[0]).casefold().strip()
