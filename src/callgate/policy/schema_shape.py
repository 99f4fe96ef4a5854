"""What a JSON Schema refers to and what checking it can cost, found without running it.

A schema from a server is hostile. The validator survives much of it, but not a schema that multiplies its own
work (`allOf` doubling through `$defs`, unions that recurse) and not arguments nested thousands deep; and it
takes a schema that refers to itself without end for one that allows everything. All of that is found here.
"""

from collections.abc import Iterator
from typing import Any

MAX_SUBSCHEMAS = 5_000
MAX_PATTERNS = 200
MAX_PATTERN_TEXT = 20_000
MAX_WORK = 10_000
"""Subschemas that may have to be tried on one way from the root of the arguments to a leaf."""

_IN_PLACE = ("not", "if", "then", "else")
_IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
_IN_PLACE_MAPS = ("dependentSchemas", "dependencies")
_EACH_MEMBER = ("additionalProperties", "unevaluatedProperties", "propertyNames")
_EACH_ITEM = ("contains", "unevaluatedItems", "additionalItems")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_ANCHORS = ("$anchor", "$dynamicAnchor")


class SchemaProblem(ValueError):
    """The schema, or these arguments with it, cannot be used for a check. The text is safe to show."""


class _Node:
    """One subschema: what is tried at the same place, and what is tried below it."""

    __slots__ = ("any_member", "each_item", "in_place", "items", "members", "own", "schema")

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema
        self.in_place: list[int] = []
        self.members: list[int] = []
        self.any_member: list[int] = []
        self.items: list[int] = []
        self.each_item: list[int] = []
        listed = sum(_size(schema.get(key)) for key in ("enum", "required", "properties"))
        self.own = 1 + listed // 16 + _size(schema.get("patternProperties"))


class SchemaShape:
    """The graph of a schema's parts that can be reached from its root. Raises SchemaProblem if it is unusable."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._anchors: dict[str, dict[str, Any]] | None = None
        self._nodes: dict[int, _Node] = {}
        self._patterns = 0
        self._pattern_text = 0
        self.negates = False
        """Whether a part that fails can make the whole pass (`not`, `if`, `oneOf`, `patternProperties`…)."""
        self._walk()
        self._order = self._evaluation_order()
        self._work: list[int] = []
        self._row: dict[int, int] = {}
        self._settled = False

    def work(self, depth: int) -> int:
        """Return how many subschemas one leaf at most `depth` levels down can cost, or more than MAX_WORK."""
        while len(self._work) <= depth and not self._settled:
            row = self._next_row()
            self._settled = row == self._row or row[id(self._root)] > MAX_WORK
            self._row = row
            self._work.append(row[id(self._root)])
        return self._work[min(depth, len(self._work) - 1)]

    def _next_row(self) -> dict[int, int]:
        below = self._row
        row: dict[int, int] = {}
        for key in self._order:
            node = self._nodes[key]
            here = node.own + sum(row[other] for other in node.in_place)
            if below:
                members = _most(node.members, below) + sum(below[other] for other in node.any_member)
                items = _most(node.items, below) + sum(below[other] for other in node.each_item)
                here += max(members, items)
            row[key] = min(here, MAX_WORK + 1)
        return row

    def required(self) -> list[str]:
        """Return the names that the root requires of every object, also through `$ref` and `allOf`."""
        names: dict[str, None] = {}
        seen: set[int] = set()
        pending = [self._root]
        while pending:
            schema = pending.pop()
            if id(schema) in seen:
                continue
            seen.add(id(schema))
            listed = schema.get("required", [])
            if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
                raise SchemaProblem("its `required` is not a list of names")
            names.update(dict.fromkeys(listed))
            targets = [self._resolve(schema[key]) for key in _REFERENCES if key in schema]
            every = schema.get("allOf")
            targets += every if isinstance(every, list) else []
            pending += [target for target in reversed(targets) if isinstance(target, dict)]
        return list(names)

    def _walk(self) -> None:
        pending = [self._root]
        while pending:
            schema = pending.pop()
            if id(schema) in self._nodes:
                continue
            if len(self._nodes) >= MAX_SUBSCHEMAS:
                raise SchemaProblem(f"it has more than {MAX_SUBSCHEMAS} parts")
            node = self._nodes[id(schema)] = _Node(schema)
            self._note(schema)
            for below, targets in self._edges(schema, node):
                if isinstance(below, dict):
                    targets.append(id(below))
                    pending.append(below)

    def _note(self, schema: dict[str, Any]) -> None:
        if schema is not self._root and _base(schema) is not None:
            raise SchemaProblem("a part of it has an `$id` of its own")
        if any(key in schema for key in ("not", "if", "oneOf", "patternProperties", "contains")) or any(
            key.startswith("unevaluated") for key in schema
        ):
            self.negates = True
        patterns = [schema["pattern"]] if "pattern" in schema else []
        named = schema.get("patternProperties")
        patterns += list(named) if isinstance(named, dict) else []
        self._patterns += len(patterns)
        self._pattern_text += sum(len(pattern) for pattern in patterns if isinstance(pattern, str))
        if self._patterns > MAX_PATTERNS or self._pattern_text > MAX_PATTERN_TEXT:
            raise SchemaProblem("its regular expressions are too many or too long")

    def _edges(self, schema: dict[str, Any], node: _Node) -> Iterator[tuple[Any, list[int]]]:
        for key in _REFERENCES:
            if key in schema:
                yield self._resolve(schema[key]), node.in_place
        for key in _IN_PLACE:
            yield schema.get(key), node.in_place
        for keys, read, targets in (
            (_IN_PLACE_LISTS, _listed, node.in_place),
            (_IN_PLACE_MAPS, _mapped, node.in_place),
            (("properties",), _mapped, node.members),
            (("patternProperties",), _mapped, node.any_member),
            (("prefixItems", "items"), _listed, node.items),
        ):
            for key in keys:
                for below in read(schema.get(key)):
                    yield below, targets
        for key in _EACH_MEMBER:
            yield schema.get(key), node.any_member
        yield schema.get("items"), node.items
        for key in _EACH_ITEM:
            yield schema.get(key), node.each_item

    def _evaluation_order(self) -> list[int]:
        """Every node after all that are tried at the same place; a loop among those never ends."""
        order: list[int] = []
        state: dict[int, int] = {}
        for start in self._nodes:
            pending = [start]
            while pending:
                key = pending[-1]
                if state.get(key) is None:
                    state[key] = 1
                    for other in self._nodes[key].in_place:
                        if state.get(other) == 1:
                            raise SchemaProblem("it refers to itself without end")
                        if other not in state:
                            pending.append(other)
                else:
                    pending.pop()
                    if state[key] == 1:
                        state[key] = 2
                        order.append(key)
        return order

    def _resolve(self, reference: Any) -> Any:
        """What `reference` leads to, in this schema alone."""
        if not isinstance(reference, str):
            raise SchemaProblem("a reference in it is not text")
        base = _base(self._root)
        if base and reference.startswith(base.rstrip("#") + "#"):
            reference = reference[len(base.rstrip("#")) :]
        if not reference.startswith("#"):
            raise SchemaProblem("it refers to something outside itself, and nothing is fetched")
        fragment = reference[1:]
        if "%" in fragment:
            from urllib.parse import unquote

            fragment = unquote(fragment)
        if fragment and not fragment.startswith("/"):
            return self._anchored(fragment)
        target: Any = self._root
        for step in fragment.split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(target, dict) and step in target:
                target = target[step]
            elif (
                isinstance(target, list)
                and step.isdecimal()
                and step.isascii()
                and int(step[:9]) < len(target)
            ):
                target = target[int(step[:9])]
            else:
                raise SchemaProblem("a reference in it leads nowhere")
        return target

    def _anchored(self, name: str) -> dict[str, Any]:
        if self._anchors is None:
            self._anchors = {}
            pending: list[Any] = [self._root]
            while pending:
                part = pending.pop()
                if isinstance(part, dict):
                    for key in _ANCHORS:
                        if isinstance(part.get(key), str):
                            self._anchors[part[key]] = part
                    for key in ("$id", "id"):
                        if isinstance(part.get(key), str) and part[key].startswith("#"):
                            self._anchors[part[key][1:]] = part
                    pending.extend(part.values())
                elif isinstance(part, list):
                    pending.extend(part)
        if name not in self._anchors:
            raise SchemaProblem("a reference in it leads nowhere")
        return self._anchors[name]


def _base(schema: dict[str, Any]) -> str | None:
    """The base address that the schema sets, if it does more than name an anchor."""
    old = "draft-04" in str(schema.get("$schema", ""))
    base = schema.get("id" if old else "$id")
    return base if isinstance(base, str) and not base.startswith("#") else None


def _size(part: Any) -> int:
    return len(part) if isinstance(part, list | dict) else 0


def _listed(part: Any) -> list[Any]:
    return part if isinstance(part, list) else []


def _mapped(part: Any) -> list[Any]:
    return list(part.values()) if isinstance(part, dict) else []


def _most(keys: list[int], work: dict[int, int]) -> int:
    return max((work[key] for key in keys), default=0)
