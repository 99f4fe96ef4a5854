"""What the YAML parser complains about, told as a finding. Imported only when there is something to tell."""

from typing import Any

from callgate.diagnostics import Source
from callgate.policy.findings import Findings
from callgate.policy.source_text import SourceText

_SYNTAX_HELP = (
    ("mapping values are not allowed", "quote a text that holds `: `, or start a new line"),
    ("cannot start any token", "quote the value; indent with spaces, never with tabs"),
    ("unexpected end of stream", "a quote is not closed"),
    ("invalid Unicode character escape", "write the character itself instead of two `\\u` escapes"),
    ("unknown escape character", "in double quotes write a backslash twice, or use single quotes"),
    ("block end", "line the keys up under each other"),
    ("expected key", "line the keys up under each other, and close every quote"),
    ("could not find expected ':'", "a key needs `: ` after it"),
    ("did not find expected ','", "a `[` or `{` is not closed"),
)


def syntax_error(error: Any, text: SourceText, findings: Findings) -> None:
    """Record PyYAML's `error` at the place where it was noticed, with what the person can do."""
    if getattr(error, "problem", None) is None:
        findings.error("POL014", f"not readable as YAML: {_one_line(error)}", Source(text.file, 1, 1))
        return
    mark = error.problem_mark or error.context_mark
    problem = _one_line(error.problem)
    if error.context and error.context_mark is not None and error.problem_mark is not None:
        problem += f", {_one_line(error.context)} that starts on line {error.context_mark.line + 1}"
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    if line > 1 and not text.line(line):
        # The parser noticed at the end of the file: show the last line that says something.
        while line > 1 and not text.line(line).strip():
            line -= 1
        column = len(text.line(line).rstrip()) + 1
    help = next((help for sign, help in _SYNTAX_HELP if sign in problem), None)
    findings.error("POL014", f"not readable as YAML: {problem}", Source(text.file, line, column), help)


def _one_line(what: object) -> str:
    return " ".join(str(what).split())[:200]
