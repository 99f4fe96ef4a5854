"""One mapping of callgate.yaml on its way to its Struct: every known key read by its reader, the rest reported."""

from collections.abc import Callable
from typing import Any

from callgate.config.findings import ConfigFindings
from callgate.policy.keys import Key, names
from callgate.policy.values import choice, fields, mapping
from callgate.policy.yaml_tree import ListNode, MapNode, Node, ScalarNode

Reader = Callable[[Node, str, ConfigFindings], Any]
"""(node, what it is called in messages, findings) → the value, or None if it is no good, which was recorded."""


class Section:
    """The known keys of one mapping (`found`), and the values read so far by the names of their fields (`values`).

    `where` ends the message about an unknown key ("in server `git`").
    """

    def __init__(
        self,
        node: Node,
        what: str,
        where: str,
        table: tuple[Key, ...],
        findings: ConfigFindings,
        elsewhere: Callable[[str], str | None] = lambda _key: None,
    ) -> None:
        self.node = node
        self.values: dict[str, Any] = {}
        self._findings = findings
        known = mapping(node, what, findings)
        self.found = {} if known is None else fields(known, names(table), where, findings, elsewhere)
        missing = [key.name for key in table if key.required and key.name not in self.found]
        if known is not None and missing:
            listed = " and ".join(f"`{name}`" for name in missing)
            findings.error("CFG004", f"{what} needs {listed}", node.source)

    def take(self, key: str, reader: Reader, field: str | None = None) -> None:
        """Read `key`, if it is given, into the field of that name or of another."""
        if key in self.found:
            value = reader(self.found[key][1], f"`{key}`", self._findings)
            if value is not None:
                self.values[field or key] = value

    def at(self, key: str) -> Node:
        """The value of a key that is given, else the whole mapping: where to point at."""
        return self.found[key][1] if key in self.found else self.node


def each_of(reader: Reader, *, at_least: int = 0) -> Reader:
    """Return the reader of a list of what `reader` reads, each at most once, as a tuple."""

    def read(node: Node, what: str, findings: ConfigFindings) -> tuple[Any, ...] | None:
        if not isinstance(node, ListNode):
            from callgate.policy.values import items

            written = isinstance(node, ScalarNode) and node.kind == "string"
            items(node, what, findings, f"write `[{node.text}]`" if written else None)  # type: ignore[union-attr]
            return None
        if len(node.items) < at_least:
            findings.error("CFG027", f"{what} is empty", node.source, "name one, or leave the key out")
            return None
        found: list[Any] = []
        for item in node.items:
            value = reader(item, f"an entry of {what}", findings)
            if value is not None and value in found:
                findings.error("CFG008", f"this entry of {what} is given twice", item.source)
            elif value is not None:
                found.append(value)
        return tuple(found)

    return read


def one_of(*words: str) -> Reader:
    """Return the reader of one of a few words."""
    return lambda node, what, findings: choice(node, words, what, findings)


def one_or_more(reader: Reader) -> Reader:
    """Return the reader of one value or a list of them, as a tuple."""
    several = each_of(reader, at_least=1)

    def read(node: Node, what: str, findings: ConfigFindings) -> tuple[Any, ...] | None:
        if isinstance(node, ListNode):
            return several(node, what, findings)  # type: ignore[no-any-return]
        value = reader(node, what, findings)
        return None if value is None else (value,)

    return read


def entries(node: Node, what: str, findings: ConfigFindings) -> tuple[tuple[ScalarNode, Node], ...]:
    """Return the entries of a mapping whose keys are names that the operator chose."""
    known = mapping(node, what, findings)
    return known.entries if isinstance(known, MapNode) else ()
