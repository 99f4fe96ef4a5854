"""The variables that go in and come out: names that a script can have, types that are known, values that come about.

Pure.
"""

import keyword
from collections.abc import Callable, Iterable, Iterator

from callgate.runner.execution import Spec
from callgate.runner.precheck.facts import Facts
from callgate.runner.precheck.finding import Finding, Surroundings
from callgate.text import quote

_RESERVED = ("callgate", "report_progress", "secrets")


def judge_names(
    spec: Spec, known_type: Callable[[str], object | None], types: Iterable[str]
) -> Iterator[Finding]:
    """Findings about the names and types themselves; the script is not looked at."""
    for which, names in (("input_vars", spec.input_vars), ("output_vars", spec.output_vars)):
        for name in names:
            if not name.isidentifier() or keyword.iskeyword(name) or not name.isprintable():
                yield Finding(
                    code="RUN115",
                    message=f"`{which}` has {quote(name)}, which cannot be the name of a variable",
                    help="use letters, digits and `_`, and no word that is Python's own",
                )
            elif name in _RESERVED or name.startswith(("mcp_", "__")):
                yield Finding(
                    code="RUN116",
                    message=f"`{which}` has {quote(name)}, a name that is the runner's own",
                    help="give the variable another name",
                )
    for name, kind in spec.output_vars.items():
        if known_type(kind) is None:
            yield Finding(
                code="RUN117",
                message=f"`output_vars` wants {quote(name)} as {quote(kind)}, which is no known type",
                help=f"the types are {', '.join(map(quote, types))}",
            )


def judge_assignments(facts: Facts, spec: Spec, around: Surroundings) -> Iterator[Finding]:
    """Findings about output variables that never get a value. None where names may come about unseen."""
    if facts.dynamic:
        return
    given = facts.assigned | set(spec.input_vars) | around.carried
    for name in spec.output_vars:
        if name in given:
            continue
        where = (
            "gives a value only inside a function or class" if name in facts.local else "never gives a value"
        )
        yield Finding(
            code="RUN118",
            message=f"`output_vars` wants {quote(name)}, which the script {where}",
            help=f"assign {quote(name)} at the top level of the script",
        )
