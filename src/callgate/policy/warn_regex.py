"""A warning about expressions that a line break evades: `.` matches anything but a newline."""

from callgate.policy.findings import Findings
from callgate.policy.model import Condition, Tool

_FLAGS = "imsU"


def warn_of_evaded_expressions(tool: Tool, findings: Findings) -> None:
    """Conditions that make a rule deny; one that must hold for a call to pass is only strict about newlines."""
    for rule in tool.rules:
        denying = list(rule.when) if rule.action == "deny" else []
        denying.extend(condition for clause in rule.forbid for condition in clause)
        for condition in denying:
            if _is_evaded(condition):
                findings.warning(
                    "POL114",
                    "`.` does not match a newline, so a line break in the text evades this expression",
                    condition.source,
                    "put `(?s)` at its beginning, if `.` is meant to match everything",
                )


def _is_evaded(condition: Condition) -> bool:
    pattern = condition.value
    if condition.op != "regex" or type(pattern) is not str:
        return False
    in_set = False
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "\\":
            at += 2
            continue
        if in_set:
            in_set = character != "]"
        elif character == "[":
            in_set = True
            # A bracket that comes first stands for itself.
            at += 2 if pattern.startswith("^]", at + 1) else 1 if pattern.startswith("]", at + 1) else 0
        elif pattern.startswith("(?", at):
            flags = pattern[at + 2 :]
            if "s" in flags[: len(flags) - len(flags.lstrip(_FLAGS))]:
                return False
        elif pattern.startswith((".*", ".+"), at) and not _is_idle(pattern, at):
            return True
        at += 1
    return False


def _is_idle(pattern: str, at: int) -> bool:
    """Say whether `.*` stands at an open end, where it changes nothing."""
    return pattern[at + 1] == "*" and (at == 0 or at + 2 == len(pattern))
