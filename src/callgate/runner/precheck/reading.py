"""A script → the facts about it. Pure, and in the time and memory that CPython's own parser takes.

That is too much for a hostile script of some size: `bounded` decides where this runs.
"""

import ast
import re
import threading
import unicodedata
import warnings
from collections.abc import Iterable

from callgate.runner.precheck.facts import Facts, Fault, Place
from callgate.runner.precheck.walk import MOST, Spot, Walk

_LINE_ENDS = re.compile(r"\r\n|\r|\n")
# The filters of warnings belong to the whole process: two threads would restore each other's.
_QUIETLY = threading.Lock()
_SCOPES = ("globals", "locals")
_TOO_DEEP = Fault(kind="size", message="the script is nested too deeply")


def read_script(source: str, wanted: Iterable[str]) -> Facts:
    """The facts about a script; `wanted` are the variables whose assignment matters. Never raises for any text."""
    zero = source.find("\0")
    if zero >= 0:
        return Facts(fault=_character(source, zero, "a null character"))
    try:
        with _QUIETLY, warnings.catch_warnings():
            # Of invalid escapes, `is` with literals, …: the script's own affair.
            warnings.simplefilter("ignore")
            # As the sandbox does it: a text, in which a declared encoding means nothing.
            tree = ast.parse(source, "script.py")
            facts = _facts(source, Walk(tree), frozenset(wanted))
            if not facts.asyncs:  # `await` at the top is a syntax error too, and the worse explanation
                # From the text again: quicker than from the tree, which would have to be turned back.
                compile(source, "script.py", "exec", dont_inherit=True)
    except SyntaxError as error:
        text = error.text.strip() if error.text else None
        return Facts(
            fault=Fault(
                kind="syntax", message=error.msg, line=error.lineno, column=error.offset or None, text=text
            )
        )
    except UnicodeEncodeError as error:
        return Facts(fault=_character(source, error.start, "a lone surrogate, which is not a character"))
    except ValueError as error:
        return Facts(fault=Fault(kind="syntax", message=str(error)))
    except (RecursionError, MemoryError, OverflowError):
        return Facts(fault=_TOO_DEEP)
    return facts


def _character(source: str, at: int, what: str) -> Fault:
    lines = _LINE_ENDS.split(source[:at])
    return Fault(
        kind="syntax", message=f"the script holds {what}", line=len(lines), column=len(lines[-1]) + 1
    )


def _facts(source: str, walk: Walk, wanted: frozenset[str]) -> Facts:
    places = _Places(source)
    bound = walk.top | walk.inner
    uses = dict(walk.from_imports)
    for (base, attribute), spot in walk.attributes.items():
        if base in walk.modules:
            uses.setdefault(f"{walk.modules[base]}.{attribute}", spot)
    scopes = {f"{name}()": spot for name, spot in walk.loads.items() if name in _SCOPES and name not in bound}
    if walk.bare_vars and "vars" not in bound:
        scopes["vars()"] = walk.bare_vars
    scopes |= {f".{name}": spot for name, spot in walk.scope_attributes.items()}
    tools = {name: spot for name, spot in walk.loads.items() if name.startswith("mcp_") and name not in bound}
    builtins = {name: spot for name, spot in walk.calls.items() if name == "input" and name not in bound}
    normal = {name: unicodedata.normalize("NFKC", name) for name in wanted}
    return Facts(
        imports=places.of(walk.imports),
        uses=places.of(uses),
        asyncs=places.of(walk.asyncs),
        scopes=places.of(scopes),
        builtins=places.of(builtins),
        tools=places.of(tools),
        assigned=frozenset(name for name in wanted if normal[name] in walk.top),
        local=frozenset(name for name in wanted if normal[name] in walk.inner - walk.top),
        dynamic=walk.dynamic or "__main__" in walk.imports or "sys.modules" in uses,
    )


class _Places:
    """Nodes → places. The parser counts columns in UTF-8 bytes; people count characters."""

    def __init__(self, source: str) -> None:
        self._lines = _LINE_ENDS.split(source)

    def of(self, spots: dict[str, Spot]) -> tuple[Place, ...]:
        found = [self._place(name, *spot) for name, spot in list(spots.items())[:MOST]]
        return tuple(sorted(found, key=lambda place: (place.line, place.column)))

    def _place(self, name: str, node: ast.AST, sure: bool) -> Place:
        line: int = getattr(node, "lineno", 1)
        offset: int = getattr(node, "col_offset", 0)
        # In a very long line the column stays one of bytes: encoding that line for each place is quadratic.
        text = self._lines[line - 1][: offset + 1] if line <= len(self._lines) else ""
        column = (
            len(text.encode("utf-8", "replace")[:offset].decode("utf-8", "ignore"))
            if offset < 10_000
            else offset
        )
        return Place(name[:200], line, column + 1, sure)
