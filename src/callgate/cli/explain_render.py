"""An explanation as text for people, as plain lines, and as data. Everything in it is escaped here or before."""

from collections.abc import Sequence
from typing import Any

from callgate.cli.console import escape, paint
from callgate.cli.explain_budgets import budget_data, budget_lines
from callgate.decision import Charge, Effect, Guard, Reason
from callgate.diagnostics import Source
from callgate.policy.explain import Explanation, RuleExplanation
from callgate.policy.model import Document

SCHEMA = "callgate/explain@1"

_COLOURS = {"deny": "red", "hold": "yellow", "allow": "green"}
_COUNTED = {
    "session": "per session",
    "identity": "per identity",
    "global": "for all callers",
    "grant": "per grant",
}
_SHOWN_REVISION = 7
_DETAIL_WIDTH = 60


def explain_human(
    explanation: Explanation, document: Document, *, color: bool, notes: Sequence[str] = ()
) -> str:
    """Return the verdict, then a line for each rule in columns, what would be charged, and what decided.

    `notes` are remarks about the list of tools, not yet escaped.
    """
    word = _word(explanation)
    head = paint(word.upper(), _COLOURS[word], "bold", on=color)
    lines = [f"{head}   {escape(explanation.tool)}   policy {document.revision[:_SHOWN_REVISION]}"]
    rows = [_row(rule, explanation.tool) for rule in explanation.rules] + _general(explanation)
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    room = min(_DETAIL_WIDTH, max((len(detail) for row in rows for detail in row[3]), default=0))
    for outcome, effect, label, details, place in rows:
        shown = [
            paint(outcome, *(() if outcome == "hit" else ("dim",)), on=color)
            + " " * (widths[0] - len(outcome)),
            paint(effect, _COLOURS[effect], on=color) + " " * (widths[1] - len(effect)),
            label.ljust(widths[2]),
            (details[0] if details else "").ljust(room),
            paint(place, "dim", on=color),
        ]
        lines.append(f"  {'  '.join(shown)}".rstrip())
        lines += [" " * (sum(widths) + 8) + detail for detail in details[1:]]
    lines += [f"  would charge  {text}" for text in _spendings(explanation)]
    lines += [f"  per execution  {text}" for text in budget_lines(document, explanation.tool)]
    lines += [f"  note  {escape(note)}" for note in notes]
    lines.append(_verdict(explanation))
    return "\n".join(lines) + "\n"


def explain_plain(explanation: Explanation, document: Document, *, notes: Sequence[str] = ()) -> str:
    """Return the same facts, one line each, without colour or alignment."""
    lines = [f"{_word(explanation)} {escape(explanation.tool)} policy {document.revision[:_SHOWN_REVISION]}"]
    rows = [_row(rule, explanation.tool) for rule in explanation.rules] + _general(explanation)
    for outcome, effect, label, details, place in rows:
        text = f"{outcome} {effect} {label}"
        lines.append(text + (f": {'; '.join(details)}" if details else "") + (f" ({place})" if place else ""))
    lines += [f"would charge {text}" for text in _spendings(explanation)]
    lines += [f"per execution {text}" for text in budget_lines(document, explanation.tool)]
    lines += [f"note: {escape(note)}" for note in notes]
    lines.append(_verdict(explanation))
    return "\n".join(lines) + "\n"


def explain_data(
    explanation: Explanation, document: Document, *, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the explanation as plain data; `effect` is "deny" for a call that waits for approval, too.

    An "allow" holds only if what `not_checked` lists would pass.
    """
    return {
        "schema": SCHEMA,
        "tool": explanation.tool,
        "policy": {
            "file": document.file,
            "form": document.form,
            "revision": document.revision,
            "default": document.default,
        },
        "effect": "allow" if _is_allowed(explanation) else "deny",
        "needs_approval": explanation.effect is Effect.HOLD,
        "hidden": explanation.hidden,
        "not_checked": [
            {"rule": rule.rule, "check": key, "source": _source(rule.source)}
            for rule in explanation.rules
            for key in rule.not_checked
        ],
        **budget_data(document),
        "notes": list(notes),
        "reasons": [_reason(reason) for reason in explanation.reasons],
        "charges": [_charge(charge) for charge in explanation.charges],
        "guards": [_guard(guard) for guard in explanation.guards],
        "rules": [
            {
                "outcome": rule.outcome,
                "effect": rule.effect,
                "rule": rule.rule,
                "tool": rule.tool,
                "details": list(rule.details),
                "reasons": [_reason(reason) for reason in rule.reasons],
                "charges": [_charge(charge) for charge in rule.charges],
                "source": _source(rule.source),
            }
            for rule in explanation.rules
        ],
    }


def _is_allowed(explanation: Explanation) -> bool:
    return explanation.effect is Effect.ALLOW and not explanation.hidden


def _word(explanation: Explanation) -> str:
    if explanation.effect is Effect.HOLD:
        return "hold"
    return "allow" if _is_allowed(explanation) else "deny"


_Row = tuple[str, str, str, list[str], str]
"""Outcome, effect, rule, details, place."""


def _row(rule: RuleExplanation, tool: str) -> _Row:
    label = rule.rule if rule.tool == tool or rule.tool in rule.rule else f"{rule.tool} {rule.rule}"
    details = list(map(escape, rule.details))
    if rule.not_checked:
        keys = ", ".join(rule.not_checked)
        details.append(f"{keys} not checked: no --tools FILE; the gate asks the server itself")
    return rule.outcome, rule.effect, escape(label), details, _place(rule.source)


def _general(explanation: Explanation) -> list[_Row]:
    """What no rule says: the default, a name that only resembles one, a limit without room, a hidden tool."""
    told = {reason for rule in explanation.rules for reason in rule.reasons}
    rows: list[_Row] = [
        (
            "hit",
            "deny",
            escape(reason.rule or "name"),
            [escape(reason.text)],
            _place(reason.source) if reason.source else "",
        )
        for reason in explanation.reasons
        if reason not in told
    ]
    if explanation.hidden:
        rows.append(("hit", "deny", "hide", ["the agent is answered as for an unknown tool"], ""))
    return rows


def _spendings(explanation: Explanation) -> list[str]:
    return [
        f"{charge.amount} to {escape(charge.limit.rule)}: {escape(charge.limit.text)}, "
        f"counted {_COUNTED[charge.limit.scope]}"
        for charge in explanation.charges
    ]


def _verdict(explanation: Explanation) -> str:
    if explanation.effect is Effect.HOLD:
        return "strictest wins: needs approval, so it is denied until approvals can be given"
    if _is_allowed(explanation) and any(rule.not_checked for rule in explanation.rules):
        return "strictest wins: allow, as far as can be told without the tools' schemas (--tools FILE)"
    return f"strictest wins: {_word(explanation)}"


def _place(source: Source) -> str:
    return f"{escape(source.file)}:{source.line}"


def _source(source: Source | None) -> dict[str, Any] | None:
    return None if source is None else {"file": source.file, "line": source.line, "column": source.column}


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "code": reason.code,
        "effect": reason.effect.name.lower(),
        "rule": reason.rule,
        "text": reason.text,
        "source": _source(reason.source),
    }


def _charge(charge: Charge) -> dict[str, Any]:
    limit = charge.limit
    return {
        "rule": limit.rule,
        "limit": limit.text,
        "max": limit.max,
        "amount": charge.amount,
        "scope": limit.scope,
        "counter": charge.key,
        "source": _source(limit.source),
    }


def _guard(guard: Guard) -> dict[str, Any]:
    return {
        "rule": guard.rule,
        "op": guard.op,
        "value": guard.value,
        "counter": guard.key,
        "source": _source(guard.source),
    }
