"""The named counters of Intercept files: who declares one, and what `state.<tool>.<counter>` refers to."""

from msgspec import Struct

from callgate.decision import CalendarWindow
from callgate.diagnostics import Source
from callgate.policy.findings import Findings, closest
from callgate.policy.yaml_tree import ScalarNode
from callgate.text import quote


def read_unit(text: str) -> CalendarWindow:
    """Return the calendar window; a word that is none (an error by itself) counts as a day."""
    if text == "minute":
        return CalendarWindow("minute")
    return CalendarWindow("hour") if text == "hour" else CalendarWindow("day")


class Counter(Struct, frozen=True):
    """A counter declared under tool `declared_by`."""

    declared_by: str
    name: str
    window: CalendarWindow

    @property
    def tool(self) -> str:
        """The tool as paths name it: counters under `"*"` belong to `_global`."""
        return "_global" if self.declared_by == "*" else self.declared_by

    @property
    def key(self) -> str:
        """The counter's name in the whole file."""
        return f"{self.tool}.{self.name}"


class Counters:
    """Every counter of a file by its path."""

    def __init__(self) -> None:
        self._by_path: dict[str, tuple[Counter, Source]] = {}

    def declare(self, counter: Counter, source: Source, findings: Findings) -> None:
        """Make a counter known; a second rule with the same counter is an error."""
        first = self._by_path.setdefault(f"state.{counter.key}", (counter, source))[1]
        if first is not source:
            findings.error(
                "POL071",
                f"the counter {quote(counter.name)} of {quote(counter.declared_by, 60)} has two rules",
                source,
                f"the other is on line {first.line}; use another name or window",
            )

    def find(self, node: ScalarNode, findings: Findings) -> Counter | None:
        """Return the counter that a path refers to, or record that no rule counts it."""
        declared = self._by_path.get(node.text)
        if declared is not None:
            return declared[0]
        near = closest(node.text, self._by_path)
        if node.text.startswith("state.*."):
            near = "state._global." + node.text.removeprefix("state.*.")
        help = f"did you mean {quote(near)}?" if near else "add a `state` block with this counter to a rule"
        findings.error("POL070", f"no `state` block counts {quote(node.text)}", node.source, help)
        return None
