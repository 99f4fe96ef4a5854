"""What is known of the server's tools: learned from every tools/list answer that passes. No I/O.

A server's list is hostile input: it is bounded, and a tool named twice has no schema that could be trusted.
"""

from collections.abc import Iterable
from typing import Any

from callgate.policy.toolschema import ToolSchema

MAX_TOOLS = 20_000


class Catalog:
    """Tool names and input schemas, from one complete pass over the pages of tools/list."""

    def __init__(self) -> None:
        self._schemas: dict[str, ToolSchema | None] = {}
        self._building: dict[str, ToolSchema | None] = {}
        self.complete = False
        """True while every page has been seen and the server has not announced a change since."""

    @property
    def names(self) -> Iterable[str]:
        """Every tool name seen in the last pass."""
        return self._schemas.keys()

    def schema(self, tool: str) -> ToolSchema | None:
        """The input schema of `tool`; None if the tool was not listed, or listed without a usable schema."""
        return self._schemas.get(tool)

    def knows(self, tool: str) -> bool:
        """Whether there is no point in asking the server again."""
        return self.complete or tool in self._schemas

    def page(self, tools: Iterable[tuple[str, Any]], *, first: bool, last: bool) -> None:
        """Take one page: pairs of a tool's name and its decoded inputSchema (None if it has none)."""
        if first:
            self._building = {}
        for name, schema in tools:
            if name in self._building:
                self._building[name] = None
            elif len(self._building) < MAX_TOOLS:
                self._building[name] = ToolSchema(schema) if isinstance(schema, dict) else None
        if last:
            self._schemas = self._building
            self._building = {}
            self.complete = True
        elif first or self._building:
            # A partial list is better than an old one for the tools it names.
            self._schemas = {**self._schemas, **self._building}

    def outdated(self) -> None:
        """The server says that its tools changed: ask again before trusting a schema."""
        self.complete = False
        self._schemas = {}
        self._building = {}
