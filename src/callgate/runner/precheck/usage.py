"""What a script uses that its sandbox does not have: other processes, an event loop, a terminal, tools. Pure."""

import re
from collections.abc import Iterator
from difflib import get_close_matches

from callgate.runner.precheck.facts import Facts, Place
from callgate.runner.precheck.finding import Finding, Surroundings
from callgate.text import quote

_PROCESSES = re.compile(
    r"os\.(fork|forkpty|system|popen|posix_spawnp?|exec[lv]p?e?|spawn[lv]p?e?)"
    r"|subprocess\.(run|call|check_call|check_output|Popen|getoutput|getstatusoutput)"
    r"|multiprocessing\.(Process|Pool|Manager)|multiprocessing\.pool\.Pool|pty\.(fork|spawn)"
    r"|concurrent\.futures\.(process\.)?ProcessPoolExecutor"
)
_LOOPS = re.compile(
    r"asyncio\.(run|Runner|gather|create_task|ensure_future|get_event_loop|new_event_loop|get_running_loop|to_thread)"
    r"|(anyio|trio|uvloop|curio)\.run"
)
_THREADS = "use a `concurrent.futures.ThreadPoolExecutor` to do several things at once"

UNKNOWN_FUNCTION = "RUN112"


def judge_usage(facts: Facts, around: Surroundings) -> Iterator[Finding]:
    """Findings about constructs and names; imports as such are judged elsewhere."""
    for place in facts.asyncs:
        yield _error(
            "RUN104", place, f"`{place.name}`: a script is synchronous", f"write it plainly; {_THREADS}"
        )
    for place in facts.uses:
        if _LOOPS.fullmatch(place.name):
            yield _finding(
                "RUN104",
                place,
                f"{quote(place.name)}: a script is synchronous",
                f"call it plainly; {_THREADS}",
            )
        elif around.single_process and _PROCESSES.fullmatch(place.name):
            yield _finding(
                "RUN110",
                place,
                f"{quote(place.name)}: a script is one process and cannot start another",
                _THREADS,
            )
    for place in facts.scopes:
        yield _error(
            "RUN105",
            place,
            f"`{place.name}` is not to be used to reach variables",
            "use the names themselves, or a dict of your own; `input_vars` and `output_vars` go by name",
        )
    for place in facts.builtins:
        yield _finding(
            "RUN111",
            place,
            f"`{place.name}()`: nobody is there to type",
            "give values in `input_vars`",
        )
    if around.functions is not None:
        for place in facts.tools:
            if place.name not in around.functions:
                yield _finding(
                    UNKNOWN_FUNCTION,
                    place,
                    f"there is no function {quote(place.name)}",
                    _similar(place.name, around.functions),
                )


def _similar(name: str, known: frozenset[str]) -> str:
    folded = {one.lower(): one for one in known}
    close = get_close_matches(name.lower(), folded, n=1, cutoff=0.7)
    return f"did you mean {quote(folded[close[0]])}?" if close else "`searchTools` finds what there is"


def _error(code: str, place: Place, message: str, help: str) -> Finding:
    return Finding(code=code, message=message, line=place.line, column=place.column, help=help)


def _finding(code: str, place: Place, message: str, help: str) -> Finding:
    return Finding(
        code=code,
        message=message,
        line=place.line,
        column=place.column,
        help=help,
        severity="error" if place.sure else "warning",
    )
