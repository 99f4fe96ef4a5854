"""Where a condition, a cost or a counter looks: a function from the request to the value there."""

from collections.abc import Callable
from typing import Any, Final

from callgate.decision import Request
from callgate.policy.model import Path


class _Absent:
    """The type of `ABSENT`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
"""What is found at a path that leads nowhere. Not None: an argument may be null."""

Getter = Callable[[Request], Any]


def compile_path(path: Path) -> Getter:
    """Return the function that finds the value at `path`, or `ABSENT`.

    Only objects are entered: `args.a.b` finds nothing if `a` is a list. `identity.a` is a claim of the caller's
    credential. A path with an unknown first word finds nothing, ever.
    """
    root, *keys = path
    if root == "identity" and keys:
        return _claim(tuple(keys))
    if root != "args":
        return _root(root) if not keys else _nowhere
    if not keys:
        return lambda request: request.arguments
    if len(keys) == 1:
        (key,) = keys
        return lambda request: request.arguments.get(key, ABSENT)
    return _nested(tuple(keys))


def _root(root: str) -> Getter:
    if root == "tool":
        return lambda request: request.tool
    if root == "server":
        return lambda request: request.server
    if root == "session":
        return lambda request: request.session
    if root == "identity":
        return lambda request: request.identity
    return _nowhere


def _nowhere(request: Request) -> Any:  # noqa: ARG001
    return ABSENT


def _nested(keys: tuple[str, ...]) -> Getter:
    def get(request: Request) -> Any:
        value: Any = request.arguments
        for key in keys:
            if type(value) is not dict:
                return ABSENT
            value = value.get(key, ABSENT)
        return value

    return get


def _claim(keys: tuple[str, ...]) -> Getter:
    name = ".".join(keys)

    def get(request: Request) -> Any:
        claims = request.claims
        if claims is None:
            return ABSENT
        value: Any = claims
        for key in keys:
            value = value.get(key, ABSENT) if type(value) is dict else ABSENT
        if len(keys) == 1 or name not in claims:
            return value
        # Names of claims may hold dots (`https://example.com/team`). Where both readings find something, neither is
        # taken.
        return claims[name] if value is ABSENT else ABSENT

    return get


def looks_beyond_caller(path: Path) -> bool:
    """Whether calls of one tool by one caller may differ in what stands at `path`.

    The claims of one identity change with its credential.
    """
    return path[0] == "args" or (path[0] == "identity" and len(path) > 1)


def show_path(path: Path) -> str:
    """Return the path as the file writes it."""
    return ".".join(path)
