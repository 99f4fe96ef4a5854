"""A tools/list result, tool by tool: read for the catalog, written again without hidden tools.

Everything that is not removed keeps its bytes: unknown fields, order, number spellings, broken schemas. A
tool whose name cannot be read for certain might be a hidden one, and goes as soon as anything is hidden.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from callgate.wire.compact import compact, escape_line_ends

MAX_UNUSUAL_NAMES = 1_000
"""Tools of one page whose names are not ASCII; further ones go when anything is hidden."""

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Raw]).decode
_array = msgspec.json.Decoder(list[Raw]).decode
_FAILURES = (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError)


class ListedTool(Struct, frozen=True):
    """One tool with a readable name. The schemas are as the server wrote them, None if absent.

    As it is read it keeps the memory of its whole page; `detached` gives one to keep.
    """

    name: str
    raw: Raw
    raw_input_schema: Raw | None = None
    raw_output_schema: Raw | None = None

    @property
    def input_schema(self) -> Any:
        """The decoded inputSchema, None if absent or unreadable."""
        return None if self.raw_input_schema is None else _decoded(self.raw_input_schema)

    @property
    def output_schema(self) -> Any:
        """The decoded outputSchema, None if absent or unreadable."""
        return None if self.raw_output_schema is None else _decoded(self.raw_output_schema)

    @property
    def has_output_schema(self) -> bool:
        """Whether clients will hold the tool's structuredContent against an outputSchema."""
        return self.raw_output_schema is not None and bytes(self.raw_output_schema) != b"null"

    @property
    def size(self) -> int:
        """Bytes that it takes, `raw` apart, at least about."""
        schemas = (self.raw_input_schema, self.raw_output_schema)
        return 4 * len(self.name) + sum(len(memoryview(raw)) for raw in schemas if raw is not None)

    def detached(self) -> "ListedTool":
        """The same with copies of the schemas and without `raw`."""
        given, made = self.raw_input_schema, self.raw_output_schema
        return ListedTool(
            self.name,
            Raw(b""),
            None if given is None else given.copy(),
            None if made is None else made.copy(),
        )


class ToolsList(Struct, frozen=True):
    """One page. `entries` has every element in order: a ListedTool, or None where the name cannot be read."""

    members: dict[str, Raw]
    entries: list[ListedTool | None]
    next_cursor: str | None

    @property
    def tools(self) -> list[ListedTool]:
        """The tools with readable names, in order; a name may occur twice."""
        return [entry for entry in self.entries if entry is not None]


def read_tools_list(result: Raw | bytes) -> ToolsList | None:
    """The page in `result`, None if it is not an object with one array `tools`. Never raises."""
    try:
        members = _object(_canonical(bytes(result)))
        entries = [_entry(raw) for raw in _array(members["tools"])]
    except (*_FAILURES, KeyError):
        return None
    # A client that ignores case may prefer the other list to the one that is filtered.
    if sum(key.lower() == "tools" for key in members) != 1:
        return None
    cursor = _decoded(members["nextCursor"]) if "nextCursor" in members else None
    return ToolsList(members, entries, cursor if type(cursor) is str else None)


def names_tools(result: Raw | bytes) -> bool:
    """Whether some reader may find a list of tools in `result`, even where `read_tools_list` finds none."""
    try:
        return any(key.casefold() == "tools" for key in _object(_canonical(bytes(result))))
    except _FAILURES:
        return False


def without(
    listed: ToolsList, hides: Callable[[str], bool], *, private: bool = False, max_ttl_ms: int | None = None
) -> bytes:
    """The result without the tools that `hides` names and those whose name cannot be read.

    `private` sets `cacheScope` to "private" and bounds `ttlMs` by `max_ttl_ms` (2026-07-28, caching: a list
    made for one caller must not be shared, and a change of policy must be seen).
    """
    kept: list[Raw] = []
    unusual = 0
    for entry in listed.entries:
        if entry is None:
            continue
        if not entry.name.isascii():
            # Telling lookalikes of such names apart takes long: a hostile list could hold up the gate with them.
            unusual += 1
            if unusual > MAX_UNUSUAL_NAMES:
                continue
        if not hides(entry.name):
            kept.append(entry.raw)
    members: dict[str, Any] = {**listed.members, "tools": kept}
    if private:
        members["cacheScope"] = "private"
        if max_ttl_ms is not None:
            members["ttlMs"] = _bounded(listed.members.get("ttlMs"), max_ttl_ms)
    return escape_line_ends(_encode(members))


def _bounded(ttl: Raw | None, most: int) -> Raw | int:
    if ttl is None:
        return most
    value = _decoded(ttl)
    return ttl if type(value) in (int, float) and 0 <= value <= most else most


def _entry(raw: Raw) -> ListedTool | None:
    try:
        members = _object(raw)
        # A re-encoding that is the text itself has no key twice: the common case, without a second decoder.
        if _encode(members) != bytes(raw) and not _has_plain_keys(bytes(raw)):
            return None
    except _FAILURES:
        return None
    if sum(key.casefold() == "name" for key in members) != 1 or "name" not in members:
        return None
    name = _decoded(members["name"])
    if type(name) is not str:
        return None
    return ListedTool(name, raw, members.get("inputSchema"), members.get("outputSchema"))


def _has_plain_keys(text: bytes) -> bool:
    from json import JSONDecoder  # costs milliseconds; only for lists with unusual spellings

    outermost: list[tuple[str, Any]] = []

    def pairs(found: list[tuple[str, Any]]) -> None:
        # Objects are closed from the inside out, so the last call is the outermost.
        outermost[:] = found

    JSONDecoder(object_pairs_hook=pairs).decode(text.decode())
    return len({key for key, _ in outermost}) == len(outermost)


def _canonical(text: bytes) -> bytes:
    # Newlines cannot be inside a line; a carriage return can.
    return compact(text) if b"\r" in text and _is_utf8(text) else text


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decoded(raw: Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except _FAILURES:
        return None
