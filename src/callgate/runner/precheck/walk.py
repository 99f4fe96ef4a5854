"""One walk over a script's syntax tree, without recursion: which names it imports, uses and gives values.

Knows Python's scopes, and nothing of what is allowed.
"""

import ast
from collections.abc import Hashable, Iterator
from typing import TypeVar

MOST = 200
"""How many places of one kind are kept."""

_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_CAUGHT = {
    "ImportError",
    "ModuleNotFoundError",
    "Exception",
    "BaseException",
    "NameError",
    "OSError",
    "EOFError",
}
_SCOPE_ATTRIBUTES = {"__globals__", "f_globals", "f_locals"}
_ASYNC: dict[type[ast.AST], str] = {
    ast.AsyncFunctionDef: "async def",
    ast.Await: "await",
    ast.AsyncFor: "async for",
    ast.AsyncWith: "async with",
}

_DIVIDED = {
    *(*_FUNCTION, ast.ClassDef, ast.AnnAssign, ast.If, ast.IfExp, ast.While, ast.Match),
    *(ast.Try, ast.TryStar, ast.With, ast.AsyncWith, ast.comprehension),
}
"""Nodes whose parts differ in scope, or in whether they are reached."""
_NOTED = {
    *(ast.Name, ast.Attribute, ast.Call, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.arg),
    *(ast.MatchAs, ast.MatchStar, ast.ExceptHandler, ast.MatchMapping, ast.comprehension),
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
}

Key = TypeVar("Key", bound=Hashable)
Spot = tuple[ast.AST, bool]
"""A node to point at, and whether it is surely reached and its failure not caught."""


class Walk:
    """The walk and what it has found. `top` and `inner` are names that get a value at the top level, and elsewhere;
    `loads` are all names that are read."""

    def __init__(self, tree: ast.Module) -> None:
        self.imports: dict[str, Spot] = {}
        self.from_imports: dict[str, Spot] = {}
        self.attributes: dict[tuple[str, str], Spot] = {}
        self.asyncs: dict[str, Spot] = {}
        self.scope_attributes: dict[str, Spot] = {}
        self.loads: dict[str, Spot] = {}
        self.bare_vars: Spot | None = None
        self.calls: dict[str, Spot] = {}
        self.modules: dict[str, str] = {}
        self.top: set[str] = set()
        self.inner: set[str] = set()
        self.dynamic = False
        # A node, whether its names are the script's own, and whether it is sure.
        self._pending: list[tuple[ast.AST, bool, bool]] = [(tree, True, True)]
        while self._pending:
            self._visit(*self._pending.pop())

    def _visit(self, node: ast.AST, top: bool, sure: bool) -> None:
        kind = type(node)
        # Most nodes are neither noted nor of a scope of their own; a script has many.
        if kind in _NOTED:
            self._note(node, top, sure)
        if kind in _ASYNC:
            _first(self.asyncs, _ASYNC[kind], (node, sure))
        # Last in, first out: in reverse, so that the script is seen in its own order.
        if kind in _DIVIDED:
            self._pending += reversed(list(self._children(node, top, sure)))
            return
        at = len(self._pending)
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, list):
                self._pending += [(child, top, sure) for child in value if isinstance(child, ast.AST)]
            elif isinstance(value, ast.AST) and value._fields:
                self._pending.append((value, top, sure))
        self._pending[at:] = reversed(self._pending[at:])

    def _children(self, node: ast.AST, top: bool, sure: bool) -> Iterator[tuple[ast.AST, bool, bool]]:
        if isinstance(node, (*_FUNCTION, ast.ClassDef)):
            # Default values, decorators and bases belong to the scope around; the rest is one of its own.
            body = node.body if isinstance(node.body, list) else [node.body]
            inside = {id(child) for child in body}
            for child in ast.iter_child_nodes(node):
                own = id(child) in inside
                yield child, top and not own, sure
        elif isinstance(node, ast.AnnAssign) and node.value is None and isinstance(node.target, ast.Name):
            # `x: int` says what x is, and gives it no value.
            yield node.annotation, top, sure
        elif isinstance(node, ast.If) and _is_main(node.test):
            for child in (node.test, *node.body):
                yield child, top, sure
            for child in node.orelse:
                yield child, top, False
        elif isinstance(node, (ast.If, ast.IfExp, ast.While, ast.Match)):
            condition = node.subject if isinstance(node, ast.Match) else node.test
            for child in ast.iter_child_nodes(node):
                yield child, top, sure and child is condition
        elif isinstance(node, (ast.Try, ast.TryStar)):
            caught = any(map(_catches, node.handlers))
            for child in node.body:
                yield child, top, sure and not caught
            for rest in (*node.handlers, *node.orelse):
                yield rest, top, False
            for child in node.finalbody:
                yield child, top, sure
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            held = any(map(_suppresses, node.items))
            for entry in ast.iter_child_nodes(node):
                yield entry, top, sure and not (held and isinstance(entry, ast.stmt))
        elif isinstance(node, ast.comprehension):
            # The targets are its own; a walrus in it is not.
            yield node.target, False, sure
            for child in (node.iter, *node.ifs):
                yield child, top, sure
        else:
            for child in ast.iter_child_nodes(node):
                yield child, top, sure

    def _note(self, node: ast.AST, top: bool, sure: bool) -> None:
        spot = (node, sure)
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                _first(self.loads, node.id, spot)
            elif isinstance(node.ctx, ast.Store):
                self._bind(node.id, top)
        elif isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name):
                _first(self.attributes, (node.value.id, node.attr), spot)
            if node.attr in _SCOPE_ATTRIBUTES:
                _first(self.scope_attributes, node.attr, spot)
        elif isinstance(node, ast.Call):
            self._note_call(node, spot)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self._note_import(node, top, spot)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            for name in node.names:
                self._bind(name, isinstance(node, ast.Global))
        elif isinstance(node, ast.arg):
            self._bind(node.arg, False)
        elif isinstance(node, (ast.MatchAs, ast.MatchStar, ast.ExceptHandler)) and node.name:
            self._bind(node.name, top and not isinstance(node, ast.ExceptHandler))
        elif isinstance(node, ast.MatchMapping) and node.rest:
            self._bind(node.rest, top)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self._bind(node.name, top)
        elif isinstance(node, ast.comprehension) and node.is_async:
            _first(self.asyncs, "async for", (node.target, sure))

    def _note_call(self, node: ast.Call, spot: Spot) -> None:
        if not isinstance(node.func, ast.Name):
            return
        _first(self.calls, node.func.id, spot)
        if node.func.id == "vars" and not node.args and not node.keywords and self.bare_vars is None:
            self.bare_vars = spot
        if node.func.id in ("exec", "eval", "setattr"):
            self.dynamic = True

    def _note_import(self, node: ast.Import | ast.ImportFrom, top: bool, spot: Spot) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                _first(self.imports, alias.name, spot)
                bound = alias.asname or alias.name.split(".", 1)[0]
                self.modules.setdefault(bound, alias.name if alias.asname else bound)
                self._bind(bound, top)
            return
        module = "." * node.level + (node.module or "")
        _first(self.imports, module, spot)
        for alias in node.names:
            if alias.name == "*":
                self.dynamic = True
                continue
            _first(self.from_imports, f"{module}.{alias.name}", spot)
            self.modules.setdefault(alias.asname or alias.name, f"{module}.{alias.name}")
            self._bind(alias.asname or alias.name, top)

    def _bind(self, name: str, top: bool) -> None:
        (self.top if top else self.inner).add(name)


def _first(kept: dict[Key, Spot], name: Key, spot: Spot) -> None:
    """Keep the first place of a name; a sure one rather than one that may never be reached."""
    known = kept.get(name)
    if known is None or (spot[1] and not known[1]):
        kept[name] = spot


def _is_main(test: ast.expr) -> bool:
    """Whether this is `__name__ == "__main__"`, which is so in a script."""
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
        and isinstance(test.ops[0], ast.Eq)
    )


def _catches(handler: ast.ExceptHandler) -> bool:
    caught = handler.type
    if caught is None:
        return True
    kinds = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    # Whatever has a name of its own may be any of them.
    return any(not isinstance(kind, ast.Name) or kind.id in _CAUGHT for kind in kinds)


def _suppresses(item: ast.withitem) -> bool:
    called = item.context_expr.func if isinstance(item.context_expr, ast.Call) else None
    name = (
        called.attr
        if isinstance(called, ast.Attribute)
        else called.id
        if isinstance(called, ast.Name)
        else ""
    )
    return name == "suppress"
