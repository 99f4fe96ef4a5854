"""The structured content of a denial for a tool that declares an outputSchema.

The official TypeScript client validates structured content against the tool's outputSchema even in a result that
is marked as an error, and throws away the whole answer if it does not fit: the model would never read why it was
refused. So the members that the schema requires are added, as empty as the schema allows, beside the denial's own;
where no such object exists the content is left out and the text alone speaks. No I/O.
"""

from typing import Any

from msgspec.json import Encoder

from callgate.policy.toolschema import SchemaProblem, ToolSchema

MAX_VALUES = 200
"""Values that are made up for one denial. A schema that requires more has its content left out."""

MAX_BYTES = 64 << 10
"""Of what is made up, as JSON."""

_MAX_DEPTH = 6
_encode = Encoder(decimal_format="number").encode
_EMPTY: dict[str, Any] = {
    "number": 0,
    "integer": 0,
    "boolean": False,
    "array": [],
    "object": {},
    "null": None,
}


def fitting_content(output_schema: Any, denial: dict[str, Any], text: str) -> dict[str, Any] | None:
    """`denial` with what `output_schema` requires beside it; None if nothing fits.

    Required strings become `text`. The schema is the server's, so the result is checked against it; where it cannot
    be checked, or requires more than `MAX_VALUES` or `MAX_BYTES` of them, nothing fits.
    """
    if not isinstance(output_schema, dict):
        return denial
    try:
        filled = _Filling(text).least(output_schema, _MAX_DEPTH)
        content = {**filled, **denial} if isinstance(filled, dict) else denial
        return content if ToolSchema(output_schema).first_violation(content) is None else None
    except (SchemaProblem, _TooMuch):
        return None


class _TooMuch(Exception):
    """The schema requires more than a denial is worth."""


class _Filling:
    """Makes small values that probably satisfy a schema, few of them altogether: the schema may be hostile."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._values = MAX_VALUES
        self._bytes = MAX_BYTES

    def least(self, schema: Any, depth: int) -> Any:
        """A value for `schema`. Raises _TooMuch."""
        self._values -= 1
        if self._values < 0:
            raise _TooMuch
        if not isinstance(schema, dict) or depth == 0:
            return self._paid(self._text)
        if "const" in schema:
            return self._paid(schema["const"])
        choices = schema.get("enum")
        if isinstance(choices, list) and choices:
            return self._paid(choices[0])
        for keyword in ("anyOf", "oneOf"):
            options = schema.get(keyword)
            if isinstance(options, list) and options:
                return self.least(options[0], depth - 1)
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = kind[0] if kind else None
        properties = schema.get("properties")
        if kind == "object" or isinstance(properties, dict):
            properties = properties if isinstance(properties, dict) else {}
            # A name that is required twice is made once.
            return {
                self._paid(name): self.least(properties.get(name), depth - 1)
                for name in dict.fromkeys(_required(schema))
            }
        return self._paid(_EMPTY.get(kind, self._text) if isinstance(kind, str) else self._text)

    def _paid(self, value: Any) -> Any:
        self._bytes -= len(_encode(value))
        if self._bytes < 0:
            raise _TooMuch
        return value


def _required(schema: dict[str, Any]) -> list[str]:
    required = schema.get("required")
    if not isinstance(required, list):
        return []
    return [name for name in required if isinstance(name, str)]
