"""What is known of the server's tools: learned from every tools/list answer that passes. No I/O.

A server's list is hostile input: it is bounded, and a tool named twice has no schema that could be trusted.
"""

from collections.abc import Iterable
from itertools import chain
from typing import Any

from callgate.policy.toolschema import ToolSchema
from callgate.wire.toolslist import ListedTool

MAX_TOOLS = 20_000
MAX_BYTES = 32 << 20
"""Of names and schemas: a third each for the list in force, the one that is being read, and what is outdated."""


class Catalog:
    """Tool names and schemas, from the pages of tools/list. Schemas are decoded when they are first needed."""

    def __init__(self) -> None:
        self._tools: dict[str, ListedTool | None] = {}
        self._building: _Tools | None = None
        self._schemas: dict[str, ToolSchema | None] = {}
        self._past: dict[str, ListedTool | None] = {}
        self.complete = False
        """True while every page has been seen and the server has not announced a change since."""

    @property
    def names(self) -> Iterable[str]:
        """Every tool name seen."""
        return self._tools.keys()

    def schema(self, tool: str) -> ToolSchema | None:
        """The input schema of `tool`; None if the tool was not listed, or listed without a usable schema."""
        if tool not in self._tools:
            return None
        if tool not in self._schemas:
            listed = self._tools[tool]
            raw = None if listed is None else listed.input_schema
            self._schemas[tool] = ToolSchema(raw) if isinstance(raw, dict) else None
        return self._schemas[tool]

    def input_schema(self, tool: str) -> Any:
        """The decoded inputSchema of `tool` as it was listed, None if it was not."""
        listed = self._tools.get(tool)
        return None if listed is None else listed.input_schema

    def output_schema(self, tool: str) -> Any:
        """The decoded outputSchema of `tool`, None if it has none.

        After a change it is the one that the agent was shown last: until it asks again it holds answers against that.
        """
        listed = self._tools.get(tool) or self._past.get(tool)
        return None if listed is None else listed.output_schema

    def knows(self, tool: str) -> bool:
        """Whether there is no point in asking the server again."""
        return self.complete or tool in self._tools

    def page(self, tools: Iterable[ListedTool], *, first: bool, last: bool) -> None:
        """Take one page of a list whose pages come in order."""
        # A page that continues no list (another list ended meanwhile, or the tools changed) completes none.
        whole = last and (first or self._building is not None)
        building = _Tools() if first or self._building is None else self._building
        for tool in tools:
            building.add(tool)
        self._schemas = {}
        if whole:
            self._tools = building.by_name
            self._past = {}
            self.complete = True
        else:
            # Until the last page is there, a new page is better than an old list for the tools it names.
            self._tools = _merged(building.by_name, self._tools)
        if last:
            self._building = None
        elif first or self._building is not None:
            self._building = building

    def outdated(self) -> None:
        """The server says that its tools changed: ask again before trusting a schema."""
        self.complete = False
        if self._tools:
            self._past = _merged(self._tools, self._past)
        self._tools = {}
        self._building = None
        self._schemas = {}


class _Tools:
    """A list that is being read, of bounded size. None stands for a tool without a schema that could be trusted."""

    def __init__(self) -> None:
        self.by_name: dict[str, ListedTool | None] = {}
        self._room = MAX_BYTES // 3

    def add(self, tool: ListedTool) -> None:
        if tool.name in self.by_name:
            self.by_name[tool.name] = None
            return
        # What is full stays full: a tool that was left out cannot be told from one that is named for the first time.
        if self._room >= 0 and len(self.by_name) < MAX_TOOLS:
            self._room -= tool.size
            if self._room >= 0:
                self.by_name[tool.name] = tool.detached()


def _merged(
    newer: dict[str, ListedTool | None], older: dict[str, ListedTool | None]
) -> dict[str, ListedTool | None]:
    """Both, as far as there is room for them."""
    merged: dict[str, ListedTool | None] = {}
    room = MAX_BYTES // 3
    for name, tool in chain(newer.items(), older.items()):
        if name not in merged:
            room -= 4 * len(name) if tool is None else tool.size
            if room < 0 or len(merged) >= MAX_TOOLS:
                break
            merged[name] = tool
    return merged
