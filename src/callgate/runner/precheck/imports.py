"""Which of a script's imports cannot work, and what to do instead. Pure."""

import re
import sys
from collections.abc import Iterator
from difflib import get_close_matches

from callgate.runner.execution import Spec
from callgate.runner.import_names import DISTRIBUTION_OF
from callgate.runner.precheck.facts import Facts, Place
from callgate.runner.precheck.finding import Finding, Surroundings
from callgate.text import quote

_HTTP = ("aiohttp", "httplib2", "pycurl", "requests", "urllib3")
_REACHING = ("ftplib", "http.client", "httpx", "smtplib", "urllib.request")
_DISTRIBUTION = re.compile(r"\s*([A-Za-z0-9._-]+)")


def judge_imports(facts: Facts, spec: Spec, around: Surroundings) -> Iterator[Finding]:
    """Findings about imports: other HTTP clients, modules that are not there, and networks that are not."""
    brought = _brought(spec.additional_imports)
    for place in facts.imports:
        top = place.name.split(".", 1)[0]
        if top in _HTTP:
            yield _http(place, top, around)
        elif place.name.startswith("."):
            yield _finding(
                "RUN108", place, "a script has no package that an import could be relative to", None
            )
        elif not _there(top, around, brought):
            yield _missing(place, top, around, bool(spec.additional_imports))
        elif place.name in _REACHING and not around.network:
            yield Finding(
                code="RUN109",
                message=f"{quote(place.name)} reaches nothing: scripts have no network here",
                line=place.line,
                column=place.column,
                help="call a tool instead: `searchTools` finds what there is",
                severity="warning",
            )


def _http(place: Place, top: str, around: Surroundings) -> Finding:
    have = "" if "httpx" in around.importable else ", with `httpx` in `additional_imports`"
    reach = "" if around.network else "; no host can be reached from here though: call a tool instead"
    return _finding("RUN106", place, f"{quote(top)} is not to be used", f"use `httpx`{have}{reach}")


def _missing(place: Place, top: str, around: Surroundings, more: bool) -> Finding:
    """With `additional_imports`, a module may be one of those that come along: nobody knows before they are there."""
    found = _finding("RUN107", place, f"there is no module {quote(top)}", _instead(top, around))
    return Finding(
        code=found.code,
        message=found.message,
        line=found.line,
        column=found.column,
        help=found.help,
        severity="warning" if more else found.severity,
    )


def _instead(top: str, around: Surroundings) -> str:
    there = sorted(around.importable)[:20]
    have = f"beside the standard library there is {', '.join(map(quote, there))}" if there else None
    known = sys.stdlib_module_names | around.importable
    if top not in DISTRIBUTION_OF and (
        close := get_close_matches(top, known | set(DISTRIBUTION_OF), n=1, cutoff=0.75)
    ):
        package = DISTRIBUTION_OF.get(close[0]) if close[0] not in known else None
        from_where = (
            f", with {quote(package)} in `additional_imports`" if package and around.installable else ""
        )
        return f"did you mean {quote(close[0])}{from_where}?"
    if around.installable:
        package = DISTRIBUTION_OF.get(top, top)
        return f"put {quote(package)} into `additional_imports`" + (f"; {have}" if have else "")
    return have or "only the standard library is there"


def _there(top: str, around: Surroundings, brought: frozenset[str]) -> bool:
    return (
        top in sys.stdlib_module_names
        or top in around.importable
        or top.lower() in brought
        or top == "__main__"
    )


def _brought(additional: tuple[str, ...]) -> frozenset[str]:
    """The modules that the packages asked for are likely to bring, in lower case."""
    asked = {found[1].lower() for item in additional if (found := _DISTRIBUTION.match(item))}
    asked = {re.sub(r"[-_.]+", "-", name) for name in asked}
    modules = {name.replace("-", "_") for name in asked} | {name.split("-", 1)[0] for name in asked}
    modules |= {module.lower() for module, package in DISTRIBUTION_OF.items() if package.lower() in asked}
    return frozenset(modules)


def _finding(code: str, place: Place, message: str, help: str | None) -> Finding:
    return Finding(
        code=code,
        message=message,
        line=place.line,
        column=place.column,
        help=help,
        severity="error" if place.sure else "warning",
    )
