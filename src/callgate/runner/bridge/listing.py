"""What a server lists, tool by tool, in bounds: the list is hostile input, and scripts and agents read it.

A tool that is listed twice, that has a name no call may carry, or that is beyond the bounds, is left out.
"""

import msgspec
from mcp_types import Tool
from msgspec import Struct

from callgate.policy.toolschema import ToolSchema
from callgate.runner.bridge.contract import ToolInfo
from callgate.runner.bridge.names import function_names
from callgate.wire.strict import MAX_TOOL_NAME_LENGTH

MAX_TOOLS = 2_000
MAX_BYTES = 8 << 20
"""Of names, descriptions and schemas of one server together."""
MAX_SCHEMA = 256 << 10
MAX_DESCRIPTION = 16 << 10

_encode = msgspec.json.Encoder().encode


class Listing(Struct, frozen=True):
    """The tools of one server, by their function's name. `schemas` by the tool's name."""

    tools: dict[str, ToolInfo]
    schemas: dict[str, ToolSchema]


class Lister:
    """Takes the tools of one list, page by page. `full`: no further page is worth asking for."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._found: dict[str, ToolInfo | None] = {}
        self._room = MAX_BYTES

    @property
    def full(self) -> bool:
        return self._room < 0 or len(self._found) >= MAX_TOOLS

    def add(self, tool: Tool) -> None:
        """Take one tool, if it is fit."""
        name = tool.name
        if self.full or not 0 < len(name) <= MAX_TOOL_NAME_LENGTH or not name.isprintable():
            return
        if name in self._found:
            # Which of the two the server would run, nobody knows.
            self._found[name] = None
            return
        description = (tool.description or tool.title or "")[:MAX_DESCRIPTION]
        try:
            sizes = [len(_encode(schema)) for schema in (tool.input_schema, tool.output_schema)]
            description.encode()
        except (TypeError, ValueError, RecursionError):
            return
        if max(sizes) > MAX_SCHEMA:
            return
        self._room -= sum(sizes) + len(description) + len(name)
        if self._room < 0:
            return
        hints = tool.annotations
        annotations = None if hints is None else hints.model_dump(by_alias=True, exclude_none=True)
        self._found[name] = ToolInfo(
            function="",
            server=self._server,
            tool=name,
            description=description,
            input_schema=tool.input_schema,
            output_schema=tool.output_schema,
            annotations=annotations,
            repeatable=hints is not None and (hints.read_only_hint is True or hints.idempotent_hint is True),
        )

    def listing(self, prefixes: dict[str, str]) -> Listing:
        """All that was taken; `prefixes` as `names.server_prefixes` makes them."""
        kept = {name: info for name, info in self._found.items() if info is not None}
        functions = function_names(self._server, kept, prefixes)
        tools: dict[str, ToolInfo] = {}
        for name, info in kept.items():
            tools.setdefault(functions[name], msgspec.structs.replace(info, function=functions[name]))
        return Listing(tools, {name: ToolSchema(info.input_schema) for name, info in kept.items()})


def empty() -> Listing:
    """Nothing is known."""
    return Listing({}, {})
