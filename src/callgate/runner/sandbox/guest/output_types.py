"""The names of types that `output_vars` may declare, read by the host before a run and by the guest after it.

Standard library only. A type is a union of alternatives; a list or dict may say what it holds.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


NAMES: Final = {
    "str": ("string", "text"),
    "int": ("integer",),
    "float": ("double",),
    "number": ("numeric",),
    "bool": ("boolean",),
    "list": ("array", "tuple", "set", "sequence"),
    "dict": ("object", "mapping", "json"),
    "any": ("unknown",),
    "null": ("none", "nonetype", "nil"),
    "date": (),
    "datetime": ("timestamp", "date-time"),
    "bytes": (),
    "DataFrame": ("pd.dataframe", "pandas.dataframe"),
    "Series": ("pd.series", "pandas.series"),
    "ndarray": ("np.ndarray", "numpy.ndarray"),
}
"""Canonical name → its other names. Upper and lower case do not matter, nor does a leading `typing.`."""

_CANONICAL = {other: name for name, others in NAMES.items() for other in (name.lower(), *others)}
_DEEPEST = 8


class Alternative:
    """One name of a union; `item` is the type of what a list or dict holds, None for anything."""

    __slots__ = ("item", "name")

    def __init__(self, name: str, item: Type | None = None) -> None:
        self.name = name
        self.item = item

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Alternative) and (self.name, self.item) == (other.name, other.item)

    def __hash__(self) -> int:
        return hash((self.name, self.item))


Type = tuple[Alternative, ...]

ANY: Type = (Alternative("any"),)


def known_type(name: str) -> str | None:
    """The type in canonical spelling (`Optional[List[integer]]` is `list[int] | null`); None if it is not known."""
    parsed = parse(name)
    return None if parsed is None else spell(parsed)


def parse(text: str, depth: int = 0) -> Type | None:
    """The type that `text` names; None if it names none.

    Forms: a name, `A | B`, `A?`, `Optional[A]`, `Union[A, B]`, `list[A]`, `dict[str, A]` (keys are always text).
    """
    if depth > _DEEPEST or len(text) > 200:
        return None
    found: list[Alternative] = []
    for part in _split(text, "|"):
        alternatives = _parse_one(part.strip(), depth)
        if alternatives is None:
            return None
        found += [alternative for alternative in alternatives if alternative not in found]
    return tuple(found) or None


def spell(kind: Type) -> str:
    """The type as text."""
    return " | ".join(
        alternative.name
        if alternative.item is None
        else f"{alternative.name}[{'str, ' if alternative.name == 'dict' else ''}{spell(alternative.item)}]"
        for alternative in kind
    )


def _parse_one(text: str, depth: int) -> Type | None:
    if text.endswith("?"):
        inner = parse(text[:-1], depth + 1)
        return None if inner is None else (*inner, Alternative("null"))
    base, bracket, rest = text.partition("[")
    base = base.strip().lower().removeprefix("typing.")
    if not bracket:
        name = _CANONICAL.get(base)
        return None if name is None else (Alternative(name),)
    if not rest.endswith("]"):
        return None
    inside = [part.strip() for part in _split(rest[:-1], ",")]
    if base == "optional" and len(inside) == 1:
        return _parse_one(f"{inside[0]}?", depth)
    if base == "union":
        return parse("|".join(inside), depth + 1)
    return _parse_holder(_CANONICAL.get(base), inside, depth)


def _parse_holder(name: str | None, inside: list[str], depth: int) -> Type | None:
    if name == "list" and len(inside) == 2 and inside[1] == "...":  # tuple[int, ...]
        inside = inside[:1]
    if name == "dict" and len(inside) == 2:
        key = parse(inside[0], depth + 1)
        inside = inside[1:] if key is not None else []
    elif name != "list":
        return None
    if len(inside) != 1:
        # tuple[int, str]: each is known, but a list's items have one type
        return (Alternative("list"),) if name == "list" and _all_known(inside, depth) else None
    item = parse(inside[0], depth + 1)
    return None if item is None else (Alternative(str(name), None if item == ANY else item),)


def _all_known(parts: list[str], depth: int) -> bool:
    return bool(parts) and all(parse(part, depth + 1) is not None for part in parts)


def _split(text: str, separator: str) -> list[str]:
    parts, level, start = [], 0, 0
    for place, sign in enumerate(text):
        level += (sign == "[") - (sign == "]")
        if sign == separator and level == 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]
