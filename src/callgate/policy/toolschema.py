"""Checks arguments against a JSON Schema that may be hostile: nothing is fetched, no check can stall or crash.

The validator is loaded and compiled by the first check that needs it. What cannot be checked raises
`SchemaProblem`, and the caller denies.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from callgate.policy.schema_shape import MAX_WORK, SchemaProblem, SchemaShape
from callgate.text import escape, quote

__all__ = ["MAX_DEPTH", "SchemaProblem", "ToolSchema"]

MAX_DEPTH = 200
"""Levels that arguments may be nested: the validator's own recursion must stay far from the stack's end."""

MAX_TOTAL_WORK = 20_000_000
"""Subschemas tried for one call, at worst: about a second."""

_PATTERN_BYTES = 1 << 20
_BACKTRACKING = 10_000
_SHOWN = 120

_WORDS = {
    "maximum": "must be at most {}",
    "minimum": "must be at least {}",
    "exclusiveMaximum": "must be less than {}",
    "exclusiveMinimum": "must be more than {}",
    "maxLength": "must have at most {} characters",
    "minLength": "must have at least {} characters",
    "maxItems": "must have at most {} items",
    "minItems": "must have at least {} items",
    "maxProperties": "must have at most {} members",
    "minProperties": "must have at least {} members",
    "multipleOf": "must be a multiple of {}",
    "pattern": "must match {}",
    "format": "must have the format {}",
    "const": "must be {}",
}


class ToolSchema:
    """A tool's input schema, or the schema of one argument.

    `name` is what the messages call the value; without it they speak of "the arguments". `strict_formats`
    enforces `format` and refuses formats that are not known; without it `format` means what the schema's own
    dialect says. The schema must not be changed afterwards.
    """

    __slots__ = ("_name", "_problem", "_raw", "_required", "_shape", "_strict_formats", "_validator", "_work")

    def __init__(self, raw: Any, *, name: str = "", strict_formats: bool = False) -> None:
        self._name = name
        self._raw = raw
        self._strict_formats = strict_formats
        self._shape: SchemaShape | None = None
        self._work: dict[int, int] = {}
        self._required: list[str] | None = None
        self._validator: Any = None
        self._problem: str | None = None

    @property
    def document(self) -> Any:
        """The schema as it was given."""
        return self._raw

    def missing_required(self, arguments: dict[str, Any]) -> list[str]:
        """Return the names that the schema requires and that are absent or null. Raises SchemaProblem."""
        required = self._required
        if required is None:
            required = self._required = self._guarded(self._find_required)
        return [name for name in required if arguments.get(name) is None]

    def first_violation(self, value: Any) -> str | None:
        """Return where `value` breaks the schema and what is wanted there, or None if it satisfies it.

        The text is bounded, and repeats nothing of `value` but names. Raises SchemaProblem.
        """
        validator = self._validator
        if validator is None:
            validator = self._validator = self._guarded(self._compile)
        self._bound(value)
        try:
            if validator.is_valid(value):
                return None
        except UnicodeEncodeError:
            return "a text in it is not valid Unicode"
        except (ValueError, RecursionError, OverflowError) as error:
            raise SchemaProblem(f"the check failed: {_short(str(error))}") from None
        return _first(validator, value, self._name)

    def _guarded(self, find: Callable[[], Any]) -> Any:
        if self._problem is None:
            try:
                return find()
            except SchemaProblem as problem:
                self._problem = str(problem)
            except RecursionError:
                self._problem = "it is nested too deep"
        raise SchemaProblem(self._problem)

    def _find_required(self) -> list[str]:
        return self._read_shape().required() if type(self._raw) is dict else []

    def _read_shape(self) -> SchemaShape:
        if self._shape is None:
            self._shape = SchemaShape(self._raw)
        return self._shape

    def _bound(self, value: Any) -> None:
        """Refuse values that this schema cannot be checked against in bounded time and stack."""
        depth, size = _measure(value)
        shape = self._shape
        if shape is None:
            return
        work = self._work.get(depth)
        if work is None:
            work = self._work[depth] = shape.work(depth)
        if work > MAX_WORK or work * size > MAX_TOTAL_WORK:
            raise SchemaProblem("it is too entangled to be checked in bounded time")

    def _compile(self) -> Any:
        if type(self._raw) is bool:
            return _Constant(self._raw)
        if type(self._raw) is not dict:
            raise SchemaProblem("it is neither an object nor a boolean")
        shape = self._read_shape()
        if shape.work(0) > MAX_WORK:
            raise SchemaProblem("it is too entangled to be checked in bounded time")
        import jsonschema_rs as library

        linear = library.RegexOptions(size_limit=_PATTERN_BYTES, dfa_size_limit=_PATTERN_BYTES)
        try:
            return self._validator_with(linear)
        except ValueError as error:
            # Look-around needs the backtracking engine. A search that it gives up counts as a mismatch, which
            # refuses the value unless something in the schema turns a mismatch into a match.
            if shape.negates or "regex" not in str(error):
                raise SchemaProblem(_short(str(error))) from None
        backtracking = library.FancyRegexOptions(
            backtrack_limit=_BACKTRACKING, size_limit=_PATTERN_BYTES, dfa_size_limit=_PATTERN_BYTES
        )
        try:
            return self._validator_with(backtracking)
        except ValueError as error:
            raise SchemaProblem(_short(str(error))) from None

    def _validator_with(self, pattern_options: Any) -> Any:
        import jsonschema_rs

        return jsonschema_rs.validator_for(
            self._raw,
            offline=True,
            pattern_options=pattern_options,
            validate_formats=True if self._strict_formats else None,
            ignore_unknown_formats=not self._strict_formats,
        )


class _Constant:
    """The validator of the schemas `true` and `false`."""

    def __init__(self, valid: bool) -> None:
        self._valid = valid

    def is_valid(self, value: Any) -> bool:  # noqa: ARG002
        return self._valid

    def validate(self, value: Any) -> None:  # noqa: ARG002
        raise ValueError("no value is allowed here")


_CONTAINERS = {dict, list}


def _measure(value: Any) -> tuple[int, int]:
    """How deep `value` is nested and how many values it holds. Raises SchemaProblem beyond MAX_DEPTH."""
    kind = type(value)
    if kind is dict and not (_CONTAINERS & set(map(type, value.values()))):
        return 1, 1 + len(value)
    depth, size = 0, 1
    level = [value] if kind is dict or kind is list else []
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise SchemaProblem(f"the arguments are nested deeper than {MAX_DEPTH} levels")
        size += sum(map(len, level))
        level = [
            below
            for outer in level
            for below in (outer.values() if type(outer) is dict else outer)
            if type(below) is dict or type(below) is list
        ]
    return depth, size


def _first(validator: Any, value: Any, name: str) -> str:
    import jsonschema_rs

    try:
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        return _describe(error, name)
    except ValueError as error:
        return _short(str(error))
    return "the check gave two answers"


def _describe(error: Any, name: str) -> str:
    keyword = str(error.kind.name)
    where = _place(name, error.instance_path)
    if keyword == "required":
        return f"{where} must have {quote(str(error.kind.property))}"
    if keyword == "type":
        return f"{where} must be of type {' or '.join(map(str, error.kind.types))}"
    if keyword == "enum":
        return f"{where} must be one of {_values(error.kind.options)}"
    if keyword in ("additionalProperties", "unevaluatedProperties"):
        return f"{where} must not have {quote(str(error.kind.unexpected[0]))}"
    if keyword == "falseSchema":
        return f"{where} must not be there"
    words = _WORDS.get(keyword)
    if words is not None:
        wanted = error.kind.value
        shown = quote(wanted, _SHOWN) if keyword in ("pattern", "format") else _values([wanted])
        return f"{where} {words.format(shown)}"
    return f"{where} does not satisfy {quote(keyword)}"


def _place(name: str, path: list[str | int]) -> str:
    text = name + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path[:20])
    return quote(text.removeprefix(".")) if text else "the arguments"


def _values(values: list[Any]) -> str:
    import msgspec

    shown: list[str] = []
    for value in values[:20]:
        text = str(value) if isinstance(value, Decimal) else msgspec.json.encode(value).decode()
        shown.append(escape(text[: _SHOWN + 1]))
        if sum(map(len, shown)) > _SHOWN:
            break
    text = ", ".join(shown)
    return text if len(text) <= _SHOWN and len(shown) == len(values) else f"{text[:_SHOWN]}…"


def _short(message: str) -> str:
    return quote(message.split("\n", 1)[0].replace("`", "'"), _SHOWN)[1:-1]
