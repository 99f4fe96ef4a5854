"""Scripts looked at as an agent would have it, and the findings in short."""

from typing import Any

from callgate.runner.execution import Spec
from callgate.runner.precheck.check import check
from callgate.runner.precheck.finding import Finding, Surroundings
from callgate.runner.sandbox.guest.output_types import NAMES, known_type

AROUND = Surroundings(
    importable=frozenset({"httpx", "numpy", "pandas"}),
    functions=frozenset({"mcp_Git_status", "mcp_Files_read_text"}),
    network=True,
)


def findings(script: str, around: Surroundings = AROUND, **spec: Any) -> list[Finding]:
    return check(Spec(script=script, **spec), around, known_type=known_type, types=tuple(NAMES))


def codes(script: str, around: Surroundings = AROUND, **spec: Any) -> list[str]:
    """The codes of all errors; those of warnings with a `?`."""
    return [
        found.code + ("" if found.severity == "error" else "?") for found in findings(script, around, **spec)
    ]


def first(script: str, around: Surroundings = AROUND, **spec: Any) -> tuple[str, int | None, int | None]:
    """Code, line and column of the first finding."""
    found = findings(script, around, **spec)[0]
    return found.code, found.line, found.column
