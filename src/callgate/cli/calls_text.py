"""One call as a line for people, as plain text and as JSON. Everything in a record is somebody else's text."""

from datetime import datetime
from typing import Any

import msgspec

from callgate.audit.calls import Call, Entry, FullEntry
from callgate.cli.audit_input import time_of
from callgate.cli.console import escape, paint

CALL_SCHEMA = "callgate/call@1"
CALLS_SCHEMA = "callgate/calls@1"

WORDS = ("allow", "deny", "hold", "error")
_COLOURS = {"allow": "green", "deny": "red", "hold": "yellow", "error": "red"}
_ERRORS = {
    "tool_error": "the tool reported an error",
    "rpc_error": "the server answered with an error",
    "unknown": "what came of it is not known",
    "not_forwarded": "not forwarded",
}
_NOTES = {"cancelled": "cancelled", "input_required": "the tool asked for more", "task": "goes on as a task"}
_DECISION = (
    *("id", "time", "server", "tool", "effect", "identity", "session", "policy", "request"),
    *("code", "rule", "reason", "retry_after", "charges", "parent"),
)
_OUTCOME = ("time", "status", "duration_ms", "response_bytes", "rpc_code", "task")
_MAX_NAME = 64
_MAX_NOTE = 200


def word(call: Call) -> str:
    """allow, deny, hold or error: what was decided, or that an allowed call failed."""
    if call.decision.effect == "allow" and call.outcome is not None and call.outcome.status in _ERRORS:
        return "error"
    return call.decision.effect


def note(call: Call) -> str:
    """Why it is so, escaped; empty for a call that simply went through."""
    decision, outcome = call.decision, call.outcome
    if decision.effect != "allow":
        told = ": ".join(part for part in (decision.rule, decision.reason) if part)
        return cut(told or decision.code or "", _MAX_NOTE)
    if outcome is None:
        return "no outcome yet"
    if outcome.status == "rpc_error" and outcome.rpc_code is not None:
        return f"{_ERRORS['rpc_error']}: {outcome.rpc_code}"
    if outcome.status == "ok":
        return ""
    return _ERRORS.get(outcome.status) or _NOTES.get(outcome.status) or cut(outcome.status, _MAX_NOTE)


def tool_name(decision: Entry) -> str:
    """`server.tool`, escaped and not too long."""
    return cut(f"{decision.server}.{decision.tool}", _MAX_NAME)


def cut(text: str, limit: int) -> str:
    """`text` escaped, and shortened to about `limit` characters."""
    return escape(text if len(text) <= limit else text[: limit - 1] + "…")


def duration(milliseconds: float | None) -> str:
    """`12 ms`, `0.3 ms`, `2.1 s`, or a dash for what is not known."""
    if milliseconds is None:
        return "—"
    if milliseconds >= 100_000:
        return f"{milliseconds / 1000:,.0f} s"
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 or milliseconds < 0.05 else f"{milliseconds:.1f} ms"


class CallLines:
    """Lines for people: times of day, under a line with the date where it changes."""

    def __init__(self, color: bool, today: datetime) -> None:
        self._on = color
        self._day = today.date()

    def lines(self, call: Call) -> list[str]:
        """The line of one call, and before it the date if it is another one."""
        time = time_of(call.decision)
        lines = []
        if time is None:
            at = cut(call.decision.time, 8)
        else:
            local = time.astimezone()
            if local.date() != self._day:
                self._day = local.date()
                lines.append(paint(f"{self._day.isoformat()}", "dim", on=self._on))
            at = local.strftime("%H:%M:%S")
        told = word(call)
        took = None if call.outcome is None or told == "hold" else call.outcome.duration_ms
        verdict = paint(f"{told:<5}", _COLOURS[told], on=self._on)
        id = paint(cut(call.decision.id, _MAX_NAME), "dim", on=self._on)
        line = f"{at}  {verdict}  {tool_name(call.decision):<32} {duration(took):>8}   {id}"
        why = note(call)
        lines.append(f"{line}   {why}" if why else line)
        return lines


def plain_line(call: Call) -> str:
    """One line of fields with a tab between them: time, verdict, tool, duration, id, note."""
    took = "" if call.outcome is None else duration(call.outcome.duration_ms)
    decision = call.decision
    fields = (
        cut(decision.time, 40),
        word(call),
        tool_name(decision),
        took,
        cut(decision.id, _MAX_NAME),
        note(call),
    )
    return "\t".join(fields)


def call_data(call: Call) -> dict[str, Any]:
    """One call for JSON: the decision's fields, its verdict in a word, and its outcome."""
    return {
        **entry_data(call.decision),
        "verdict": word(call),
        "outcome": None if call.outcome is None else outcome_data(call.outcome),
    }


def entry_data(decision: Entry) -> dict[str, Any]:
    """A decision for JSON, as recorded."""
    data = {name: getattr(decision, name) for name in _DECISION if getattr(decision, name) is not None}
    if isinstance(decision, FullEntry) and bytes(decision.arguments):
        data["arguments"] = decision.arguments
    return data


def outcome_data(outcome: Entry) -> dict[str, Any]:
    """An outcome for JSON, as recorded."""
    return {name: getattr(outcome, name) for name in _OUTCOME if getattr(outcome, name) is not None}


def to_json(value: Any) -> str:
    """One line of JSON in pure ASCII."""
    text = msgspec.json.encode(value).decode("utf-8")
    return text if text.isascii() else "".join(map(_ascii, text))


def _ascii(character: str) -> str:
    if character.isascii():
        return character
    digits = character.encode("utf-16-be").hex()
    return "".join(f"\\u{digits[at : at + 4]}" for at in range(0, len(digits), 4))
