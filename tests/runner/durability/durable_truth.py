"""Holds what a journal says of executions against what they really did."""

import re
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
from durable_plans import Plan
from durable_runner import Home

from callgate.runner.answer import Answer
from callgate.runner.execution import Execution, InnerCall
from callgate.runner.journal.contract import Journal
from callgate.runner.journal.open import open_journal

_answer = msgspec.json.Decoder(Answer).decode


class Found(msgspec.Struct):
    """What a look at the journal found. `wrong` has a line for every lie, and is empty if there is none."""

    wrong: list[str]
    states: dict[str, int]
    attempts: dict[int, int]
    effects: int


class Excuses(msgspec.Struct):
    """How often something was killed that an execution may have ended of."""

    sandboxes: int = 0
    servers: int = 0
    max_attempts: int = 40


async def look(
    home: Home, plans: Mapping[str, Plan], acknowledged: Mapping[str, str], excuses: Excuses
) -> Found:
    """`plans` by their names; `acknowledged` has the plan's name of each UUID that a client was given."""
    journal = open_journal(f"sqlite:{home.journal}", state_dir=str(home.folder))
    await journal.open()
    try:
        return await _look(home, journal, plans, acknowledged, excuses)
    finally:
        await journal.close()


def unended(home: Home) -> list[tuple[str, str]]:
    """UUID and state of every execution that has not come to an end."""
    return [(uuid, state) for uuid, state, ended in _rows(home) if ended is None]


async def _look(
    home: Home,
    journal: Journal,
    plans: Mapping[str, Plan],
    acknowledged: Mapping[str, str],
    excuses: Excuses,
) -> Found:
    effects = home.effects()
    times = Counter(token for token, _ in effects)
    wrong = [f"{token} took effect {count} times" for token, count in times.items() if count > 1]
    words = dict(effects)
    states: Counter[str] = Counter()
    attempts: Counter[int] = Counter()
    stored = [uuid for uuid, _, _ in _rows(home)]
    wrong += [f"{uuid} was acknowledged and is not stored" for uuid in set(acknowledged) - set(stored)]
    for uuid in stored:
        execution = await journal.get(uuid, None)
        assert execution is not None
        states[f"{execution.state}/{execution.cause}" if execution.cause else execution.state] += 1
        attempts[execution.attempt] += 1
        plan = plans[execution.spec.name or ""]
        calls = await journal.inner_calls(uuid)
        pieces, _ = await journal.output(uuid, 0, 1 << 20)
        output = b"".join(piece.data for piece in pieces).decode()
        lies = [
            *_about_calls(plan, calls, words),
            *_about_end(execution, plan, calls, words, output, excuses),
        ]
        error = execution.error.message[:120] if execution.error else ""
        wrong += [f"{uuid} {plan.name} ({execution.state}/{execution.cause} {error}): {lie}" for lie in lies]
    killed = excuses.sandboxes
    if states["failed/crashed"] > killed:
        wrong.append(f"{states['failed/crashed']} crashed, but only {killed} sandboxes were killed")
    return Found(wrong, dict(states), dict(sorted(attempts.items())), len(effects))


def _about_calls(plan: Plan, calls: Sequence[InnerCall], words: Mapping[str, str]) -> list[str]:
    """Every effect has a call that may have caused it, and every recorded answer is the answer to an effect."""
    lies = []
    answered = {words.get(token): token for token in plan.tokens if token in words}
    uncertain = 0
    seen: Counter[str] = Counter()
    for call in calls:
        if call.function != "mcp_Tally_append":
            continue
        if call.state == "started" or call.answer is None:
            uncertain += 1
            continue
        answer = _answer(call.answer)
        if answer.failure is not None:
            uncertain += 1
            continue
        word = _text(answer.value)
        seen[word] += 1
        if word not in answered:
            lies.append(f"call {call.seq} was answered with {answer.value!r}, which no effect of it has")
    lies += [f"{word} is the answer to {count} calls" for word, count in seen.items() if count > 1]
    if len(answered) - len(seen) > uncertain:
        lies.append(f"{len(answered)} effects, {len(seen)} answers, only {uncertain} calls without one")
    return lies


def _about_end(
    execution: Execution,
    plan: Plan,
    calls: Sequence[InnerCall],
    words: Mapping[str, str],
    output: str,
    excuses: Excuses,
) -> list[str]:
    doubtful = [call for call in calls if call.state == "started" and not call.repeatable]
    match (execution.state, execution.cause):
        case ("completed", None):
            lies = []
            if execution.results != plan.expected(words):
                lies.append(f"results {execution.results}, not {plan.expected(words)}")
            if missing := [token for token in plan.tokens if token not in words]:
                lies.append(f"no effect of {missing}")
            if doubtful:
                lies.append("completed with a call in doubt")
            if len(re.findall(rf"^{plan.name} begins$", output, re.M)) != 1:
                lies.append(f"begins not once: {output!r}")
            if len(re.findall(rf"^{plan.name} ends$", output, re.M)) != 1:
                lies.append(f"ends not once: {output!r}")
            return lies
        case ("interrupted", "in_doubt_call"):
            return [] if doubtful else ["no call is in doubt"]
        case ("interrupted", "attempts"):
            return [] if execution.attempt > excuses.max_attempts else [f"attempt {execution.attempt}"]
        case ("failed", "crashed" | "sandbox"):
            return [] if excuses.sandboxes else ["no sandbox was killed"]
        case ("failed", "exception" | "servers"):
            return [] if excuses.servers else ["no server was killed"]
    return ["an end that nothing explains"]


def _text(value: object) -> str:
    """What the SDK puts around a text."""
    return str(value["result"]) if isinstance(value, dict) else repr(value)


def _rows(home: Home) -> list[tuple[str, str, int | None]]:
    with sqlite3.connect(f"file:{home.journal}?mode=ro", uri=True, timeout=10) as db:
        rows: list[tuple[str, str, int | None]] = db.execute(
            "SELECT uuid, state, ended_ms FROM execution ORDER BY id"
        ).fetchall()
    db.close()
    return rows
