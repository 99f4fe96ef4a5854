"""Which names become labels. Whoever chooses a name must not choose how many time series there are.

Names that the operator's policy or the server's own list gives have room of their own; an agent that calls names
nobody listed fills a small room, and only with calls that were admitted. Every other name is `OTHER`.
"""

from collections.abc import Iterable

from callgate.wire.vocabulary import METHODS

OTHER = "other"
MAX_LISTED = 500
"""Tools of one server that are told apart."""
MAX_UNLISTED = 100
MAX_NAME = 128


class ToolNames:
    """The tools of every server that have a label of their own."""

    def __init__(self) -> None:
        self._listed: dict[str, set[str]] = {}
        self._unlisted: dict[str, set[str]] = {}

    def know(self, server: str, tools: Iterable[str]) -> None:
        """Take names from a policy or from a server's list; those beyond the bound are left out."""
        known = self._listed.setdefault(server, set())
        for tool in tools:
            if len(known) >= MAX_LISTED:
                return
            if _fit(tool):
                known.add(tool)

    def label(self, server: str, tool: str, *, admitted: bool) -> str:
        """The label for `tool`: its name or `OTHER`."""
        if tool in self._listed.get(server, ()):
            return tool
        unlisted = self._unlisted.get(server)
        if unlisted is not None and tool in unlisted:
            return tool
        if not admitted or not _fit(tool):
            return OTHER
        if unlisted is None:
            unlisted = self._unlisted[server] = set()
        if len(unlisted) >= MAX_UNLISTED:
            return OTHER
        unlisted.add(tool)
        return tool


def method_label(method: str) -> str:
    """An MCP method, or `OTHER` for one that MCP does not have; "" stays."""
    return method if method in METHODS or not method else OTHER


def _fit(tool: str) -> bool:
    return 0 < len(tool) <= MAX_NAME and tool.isprintable()
