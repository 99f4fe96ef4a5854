"""The checks of what an agent asks for, before anything is stored or run. The one entrance to this part.

Touches nothing but a child process for scripts that are not small. Finds mistakes; it is no wall: what a script can
do is the sandbox's business alone.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from callgate.runner.execution import Spec
from callgate.runner.precheck.bounded import SMALL, facts_of
from callgate.runner.precheck.facts import Facts, Fault
from callgate.runner.precheck.finding import Finding, Surroundings
from callgate.runner.precheck.imports import judge_imports
from callgate.runner.precheck.usage import judge_usage
from callgate.runner.precheck.variables import judge_assignments, judge_names
from callgate.text import escape, quote

# One thread: whatever agents send, reading it takes one core at the most, and no thread that others wait for.
_BIG = ThreadPoolExecutor(1, "precheck")

MOST = 20
"""How many findings are told."""


def check(
    spec: Spec,
    around: Surroundings,
    *,
    known_type: Callable[[str], object | None] = lambda _: True,
    types: Sequence[str] = (),
) -> list[Finding]:
    """Everything that is wrong, errors first, each in the order of the script; empty if all is well.

    `known_type` answers None for a name of a type that `output_vars` may not declare, `types` are those it may.
    Takes milliseconds for a script up to 8 KiB; for a bigger one, up to seconds in a child (see `check_async`).
    """
    if len(spec.script) > around.max_script:
        return [_too_long(around.max_script)]
    findings = list(judge_names(spec, known_type, types))
    facts = facts_of(spec.script, tuple(spec.output_vars))
    if facts.fault is not None:
        findings.append(_fault(facts.fault))
    else:
        findings += _judge(facts, spec, around)
    return sorted(findings, key=_order)[:MOST]


async def check_async(
    spec: Spec,
    around: Surroundings,
    *,
    known_type: Callable[[str], object | None] = lambda _: True,
    types: Sequence[str] = (),
) -> list[Finding]:
    """`check` that never holds up an event loop: a big script is waited for in a thread, one after the other."""
    if len(spec.script) <= SMALL // 4:  # no character takes more than four bytes
        return check(spec, around, known_type=known_type, types=types)
    checked = partial(check, spec, around, known_type=known_type, types=types)
    return await asyncio.get_running_loop().run_in_executor(_BIG, checked)


def _judge(facts: Facts, spec: Spec, around: Surroundings) -> list[Finding]:
    return [
        *judge_usage(facts, around),
        *judge_imports(facts, spec, around),
        *judge_assignments(facts, spec, around),
    ]


def _order(finding: Finding) -> tuple[bool, int, int]:
    return finding.severity != "error", finding.line or 0, finding.column or 0


def _too_long(most: int) -> Finding:
    return Finding(
        code="RUN103",
        message=f"the script is longer than {most} characters",
        help="put data into `input_vars`, or split the work into several executions of one session",
    )


def _fault(fault: Fault) -> Finding:
    if fault.kind == "size":
        return Finding(
            code="RUN102",
            message=fault.message,
            line=fault.line,
            column=fault.column,
            help="write it in more and simpler statements",
        )
    shown = f": {quote(fault.text)}" if fault.text else ""
    return Finding(
        code="RUN101",
        message=f"{escape(fault.message[:200])}{shown}",
        line=fault.line,
        column=fault.column,
        help="correct the syntax; it must be Python without top-level `return` or `await`",
    )
