"""What an agent may write in `additional_imports`: a package's name, extras and versions, and nothing else.

No I/O. Never lets through what a resolver would read as a flag, a file, an address or a condition.
"""

import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from msgspec import Struct
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from callgate.errors import PackagesError
from callgate.runner.import_names import DISTRIBUTION_OF
from callgate.text import quote

_LONGEST = 200
_HELP = "write the name on PyPI, with versions if need be, as in `rich` or `pillow>=11,<12`"
_NAME = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")
_PLAIN = re.compile(r"[A-Za-z0-9._,\[\]<>=!~*+-]+(?: *[<>=!~,][A-Za-z0-9._<>=!~*+ ,-]*)?")
_OF_FOLDED = {module.lower(): distribution for module, distribution in DISTRIBUTION_OF.items()}
_STDLIB = {canonicalize_name(name) for name in sys.stdlib_module_names if not name.startswith("_")}
_OWN = "callgate"


class Asked(Struct, frozen=True):
    """One package that was asked for: its normalised name (PEP 503), and the line for the resolver."""

    name: str
    line: str


def read(imports: Sequence[str], *, most: int) -> tuple[Asked, ...]:
    """What is asked for, sorted, each once. Raises PackagesError (PKG001, PKG002, PKG003, PKG005)."""
    if len(imports) > most:
        raise PackagesError(
            "PKG005", f"{len(imports)} packages are asked for, and at most {most} may be", "ask for fewer"
        )
    found = {asked.line: asked for asked in map(_read_one, imports)}
    return tuple(found[line] for line in sorted(found))


def matches(name: str, globs: Sequence[str]) -> bool:
    """Whether a normalised name fits one of the operator's globs; these are normalised as names are."""
    return any(fnmatchcase(name, re.sub(r"[-_.]+", "-", glob).lower()) for glob in globs)


def _read_one(text: str) -> Asked:
    stripped = text.strip(" ")
    if len(stripped) > _LONGEST or not _PLAIN.fullmatch(stripped):
        raise PackagesError("PKG001", f"{quote(text)} is not the name of a package", _HELP)
    try:
        requirement = Requirement(stripped)
    except InvalidRequirement:
        raise PackagesError("PKG001", f"{quote(text)} is not the name of a package", _HELP) from None
    arbitrary = any(specifier.operator == "===" for specifier in requirement.specifier)
    names = (requirement.name, *requirement.extras)
    if requirement.url or requirement.marker or arbitrary or not all(map(_NAME.fullmatch, names)):
        raise PackagesError("PKG001", f"{quote(text)} is not the name of a package", _HELP)
    _refuse_modules(requirement.name)
    name = canonicalize_name(requirement.name)
    extras = ",".join(sorted(canonicalize_name(extra) for extra in requirement.extras))
    specifier = ",".join(sorted(map(str, requirement.specifier)))
    return Asked(name, f"{name}{f'[{extras}]' if extras else ''}{specifier}")


def _refuse_modules(name: str) -> None:
    """Modules are not packages: what PyPI has under their names is nothing, a placeholder, or a trap."""
    folded = canonicalize_name(name)
    if folded == _OWN:
        raise PackagesError(
            "PKG002",
            f"{quote(name)} is the runner itself",
            "leave it out of `additional_imports`; what `callgate` offers to code is there already",
        )
    if folded in _STDLIB:
        raise PackagesError(
            "PKG002",
            f"{quote(name)} is part of Python",
            "leave it out of `additional_imports`; just import it",
        )
    distribution = _OF_FOLDED.get(name.lower())
    if distribution and canonicalize_name(distribution) != canonicalize_name(name):
        raise PackagesError(
            "PKG003",
            f"{quote(name)} is the name of a module; its package is {quote(distribution)}",
            f"put {quote(distribution)} into `additional_imports`; the import stays as it is",
        )


def similar(name: str) -> str | None:
    """A well-known package with a name like this one, or None."""
    known = {canonicalize_name(distribution): distribution for distribution in DISTRIBUTION_OF.values()}
    popular = dict.fromkeys(_POPULAR) | known
    close = get_close_matches(name, popular, n=1, cutoff=0.8)
    return (popular[close[0]] or close[0]) if close else None


_POPULAR = (
    *("numpy", "pandas", "scipy", "polars", "pyarrow", "duckdb", "matplotlib", "seaborn", "plotly", "sympy"),
    *("networkx", "statsmodels", "httpx", "rich", "pydantic", "openpyxl", "xlsxwriter", "lxml", "jinja2"),
    *("tabulate", "tqdm", "orjson", "msgspec", "sqlalchemy", "pypdf", "pdfplumber", "reportlab", "shapely"),
    *("geopandas", "pendulum", "arrow", "cryptography", "regex", "jsonschema", "feedparser", "xmltodict"),
    *("unidecode", "nltk", "spacy", "gensim", "tiktoken", "faker", "qrcode", "icalendar", "markdownify"),
)
