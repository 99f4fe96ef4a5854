"""Keeps secrets out of what is stored and shown: finds them, as they are and encoded, and puts their names instead.

Must never hold, log or raise a secret's value in any text of its own.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus

import re2

from callgate.config.secrets import SecretError
from callgate.text import quote as shown

SHORTEST = 6
"""Characters. A shorter text is found in places that have nothing to do with it."""

_ANCHOR = 32
"""Bytes of each form that are searched for; only where they stand is more compared. A beginning that many secrets of
the world share ("sk-…") is shorter, so that text full of it costs nothing."""

_TELLING = 4
"""Bytes of a secret that are not shown at the end of a text that was cut off amid it."""

_DOTS = ("...", "…")
_EACH = 4
"""Bytes of a value of its own, as `is_small` counts."""

_JSON_ESCAPES = [
    json.dumps(chr(byte), ensure_ascii=False)[1:-1].encode() if byte < 0x80 else bytes([byte])
    for byte in range(256)
]
_NUMBERS = frozenset(b"0123456789+-.eE")


class Redactor:
    """Replaces each occurrence of a secret by `[secret NAME]`. Time is linear in the length of what is looked at.

    Found are the secret itself and its forms in JSON, in Python's `repr`, percent-encoded, in hexadecimal, and in
    base64 wherever in the encoded text it begins. Nothing that comes out holds any of them.
    """

    __slots__ = ("_beginnings", "_forms", "_longest", "_numeric", "_search", "_search_json")

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """`secrets` by their names. Raises SecretError (CFG059) for one that is shorter than `SHORTEST` characters."""
        short = next((name for name, value in secrets.items() if len(value) < SHORTEST), None)
        if short is not None:
            raise SecretError(
                "CFG059",
                f"the secret {shown(short, 60)} has fewer than {SHORTEST} characters: it cannot be kept out of output",
                "use a longer one, or write it as plain text if it is none",
            )
        known = {name: set(_forms(value)) for name, value in secrets.items()}
        every = set().union(*known.values())
        markers = {name: _marker(name, every) for name in known}
        pairs = sorted({form: name for name in known for form in known[name]}.items(), key=_longest_first)
        self._forms: dict[bytes, list[tuple[bytes, bytes]]] = {}
        for form, name in pairs:
            self._forms.setdefault(form[:SHORTEST], []).append((form, markers[name]))
        self._beginnings = {form[:length] for form in every for length in range(1, min(len(form), _ANCHOR))}
        self._numeric = any(_NUMBERS.issuperset(form) for form in every)
        self._longest = max(map(len, every), default=0)
        anchors = {form[:_ANCHOR] for form in every}
        self._search = _searcher(anchors)
        self._search_json = _searcher({_in_json(anchor) for anchor in anchors})

    def text(self, text: str) -> str:
        """Return `text` without secrets."""
        if len(text) < SHORTEST or not self._forms:
            return text
        data = text.encode("utf-8", "surrogatepass")
        found, _ = self._redact(data, final=True)
        return text if found is data else found.decode("utf-8", "surrogatepass")

    def cut(self, text: str, most: int) -> str:
        """Return at most `most` characters of `text`, without secrets.

        If it was cut off before, as its length or dots at its end say, it may end amid a secret: without that, too.
        """
        clean = self.text(text)
        dots = next((dots for dots in _DOTS if clean.endswith(dots)), "")
        if dots or len(text) >= most:
            data = clean[: len(clean) - len(dots)].encode("utf-8", "surrogatepass")
            kept = data[: self._part_of_one(data)]
            clean = kept.decode("utf-8", "surrogatepass") + dots
        return clean[:most]

    def _part_of_one(self, data: bytes) -> int:
        """Where the last thing in `data` begins that only needs to go on to be a secret; else its end."""
        end = len(data)
        for place in range(max(0, end - self._longest + 1), end - _TELLING + 1):
            tail = data[place : place + SHORTEST]
            if len(tail) == SHORTEST:
                forms = self._forms.get(tail, ())
                if any(form.startswith(data[place:]) for form, _ in forms):
                    return place
            elif tail in self._beginnings:
                return place
        return end

    def json(self, value: Any) -> Any:
        """Return plain data without secrets in any text, key or number. Keys that become alike stay apart."""
        return self._walked(value) if self._in(value) else value

    async def json_aside(self, value: Any) -> Any:
        """The same, for an event loop: what is large is looked through in a thread."""
        return self.json(value) if is_small(value) else await asyncio.to_thread(self.json, value)

    def _in(self, value: Any) -> bool:
        """Whether there may be a secret in the value: looked for in all of it at once."""
        if not self._forms:
            return False
        try:
            data = json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")
        except (TypeError, ValueError, RecursionError):
            return True
        return self._search_json(data, 0) >= 0

    def _walked(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            clean: dict[str, Any] = {}
            for key, item in value.items():
                name = self.text(key) if isinstance(key, str) else key
                while name in clean:
                    # A marker cannot become part of a secret, whatever stands before it.
                    name += _first_marker(self._forms)
                clean[name] = self._walked(item)
            return clean
        if isinstance(value, list | tuple):
            items = []
            for item in value:
                items.append(self._walked(item))
            return items
        if self._numeric and isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            written = str(value)
            found = self.text(written)
            return value if found == written else found
        return value

    def stream(self) -> "RedactingStream":
        """Return what takes bytes as they come, in pieces of any size."""
        return RedactingStream(self)

    def _redact(self, data: bytes, *, final: bool) -> tuple[bytes, bytes]:
        """Return what can be let go of, and the rest: what may be the beginning of a secret, unless `final`.

        What is decided depends on no byte beyond `data`, so that pieces come out as the whole would.
        """
        parts: list[bytes] = []
        done = position = 0
        kept = end = len(data)
        if not final:
            kept = self._beginning(data, 0)
        while 0 <= (position := self._search(data, position)) < kept:
            form, marker = self._at(data, position, final=final)
            if form and not marker:
                kept = position
                break
            if form:
                parts += (data[done:position], marker)
                done = position + len(form)
                if done > kept:
                    kept = self._beginning(data, done)
            position += len(form) or 1
        if not parts and kept == end:
            return data, b""
        parts.append(data[done:kept])
        return b"".join(parts), data[kept:]

    def _at(self, data: bytes, position: int, *, final: bool) -> tuple[bytes, bytes]:
        """The longest form that stands at `position`, and its marker; no marker if `data` ends too early to tell."""
        rest = len(data) - position
        for form, marker in self._forms.get(data[position : position + SHORTEST], ()):
            if len(form) <= rest:
                if data.startswith(form, position):
                    return form, marker
            elif not final and form.startswith(data[position:]):
                return form, b""
        return b"", b""

    def _beginning(self, data: bytes, start: int) -> int:
        """The first of the last few places from `start` on, from which a form could go on beyond the end; else the end.

        Where more than an anchor is there, the search finds it.
        """
        end = len(data)
        places = range(max(start, end - _ANCHOR + 1), end)
        return next((place for place in places if data[place:] in self._beginnings), end)


class RedactingStream:
    """One stream of bytes. What is held back is shorter than the longest form of a secret."""

    __slots__ = ("_held", "_redactor")

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Take the next piece; return what is certain to hold no secret, and no beginning of one."""
        clean, self._held = self._redactor._redact(self._held + data, final=False)
        return clean

    def flush(self) -> bytes:
        """Return what was held back: nothing more comes."""
        clean, _ = self._redactor._redact(self._held, final=True)
        self._held = b""
        return clean


def _searcher(anchors: Collection[bytes]) -> Callable[[bytes, int], int]:
    """Return (data, start) → where the next anchor stands, or -1."""
    if not anchors:
        return lambda _data, _start: -1
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    expression = re2.compile(b"|".join(re2.escape(anchor) for anchor in anchors), options)

    def search(data: bytes, start: int) -> int:
        found = expression.search(data, start)
        return -1 if found is None else int(found.start())

    return search


def is_small(value: Any, most: int = 256 << 10) -> bool:
    """Whether plain data takes about `most` bytes at most. Looks at no more of it than that."""
    left = [value]
    while left:
        each = left.pop()
        most -= _EACH
        if isinstance(each, str):
            most -= len(each)
        elif isinstance(each, dict | list | tuple):
            if len(each) * _EACH > most:
                return False
            if isinstance(each, dict):
                left.extend(each)
                left.extend(each.values())
            else:
                left.extend(each)
        if most < 0:
            return False
    return True


def _in_json(form: bytes) -> bytes:
    """As it stands in a text of JSON that is not kept to ASCII."""
    return b"".join(_JSON_ESCAPES[byte] for byte in form)


def _longest_first(pair: tuple[bytes, str]) -> tuple[int, bytes]:
    return -len(pair[0]), pair[0]


def _first_marker(forms: Mapping[bytes, list[tuple[bytes, bytes]]]) -> str:
    return next(iter(forms.values()))[0][1].decode()


def _forms(secret: str) -> Iterator[bytes]:
    """Every form of a secret that is looked for."""
    raw = secret.encode("utf-8", "surrogatepass")
    yield raw
    for ascii_only in (True, False):
        written = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        for each in (
            written,
            written.replace("/", "\\/"),
            json.dumps(written, ensure_ascii=ascii_only)[1:-1],
        ):
            yield each.encode("utf-8", "surrogatepass")
    yield repr(secret)[1:-1].encode("utf-8", "surrogatepass")
    yield repr(raw)[2:-1].encode()
    for escaped in (
        quote(raw, safe=""),
        quote(raw),
        quote_plus(raw),
        "".join(f"%{byte:02X}" for byte in raw),
    ):
        yield escaped.encode()
        yield _small_escapes(escaped).encode()
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield from _base64(raw)


def _small_escapes(text: str) -> str:
    """`%2f` for `%2F`: what is not an escape keeps its case."""
    first, *others = text.split("%")
    return first + "".join(f"%{other[:2].lower()}{other[2:]}" for other in others)


def _base64(raw: bytes) -> Iterator[bytes]:
    """The characters that the secret alone decides, for each of the three places that it can begin at (RFC 4648)."""
    for before in range(3):
        # A character holds six bits: drop those that hold bits of what stands before or behind.
        first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * before + raw)[first:last]


def _marker(name: str, forms: Iterable[bytes]) -> bytes:
    """What stands for a secret in the output: a text that can never be part of an occurrence of any form."""
    marker = f"[secret {name}]".encode()
    if not any(_may_touch(marker, form) for form in forms):
        return marker
    used = set(b"".join(forms).decode("utf-8", "replace"))
    return (next(mark for mark in map(chr, range(0x2588, 0xD800)) if mark not in used) * 8).encode()


def _may_touch(marker: bytes, form: bytes) -> bool:
    if form in marker:
        return True
    if marker[:1] not in form and marker[-1:] not in form:
        return False
    if marker in form:
        return True
    shorter = range(1, min(len(marker), len(form)))
    return any(marker[-size:] == form[:size] or marker[:size] == form[-size:] for size in shorter)
