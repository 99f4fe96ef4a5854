"""The structured content of a denial for a tool that declares an outputSchema.

The official TypeScript client validates structured content against the tool's outputSchema even in a result that
is marked as an error, and throws away the whole answer if it does not fit: the model would never read why it was
refused. So the members that the schema requires are added, as empty as the schema allows, beside the denial's own;
where no such object exists the content is left out and the text alone speaks. No I/O.
"""

from typing import Any

from callgate.policy.toolschema import SchemaProblem, ToolSchema

_MAX_DEPTH = 6
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
    be checked nothing fits.
    """
    if not isinstance(output_schema, dict):
        return denial
    filled = _least(output_schema, text, _MAX_DEPTH)
    content = {**filled, **denial} if isinstance(filled, dict) else denial
    try:
        return content if ToolSchema(output_schema).first_violation(content) is None else None
    except SchemaProblem:
        return None


def _least(schema: Any, text: str, depth: int) -> Any:
    """A small value that probably satisfies `schema`."""
    if not isinstance(schema, dict) or depth == 0:
        return text
    if "const" in schema:
        return schema["const"]
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[0]
    for keyword in ("anyOf", "oneOf"):
        options = schema.get(keyword)
        if isinstance(options, list) and options:
            return _least(options[0], text, depth - 1)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    properties = schema.get("properties")
    if kind == "object" or isinstance(properties, dict):
        properties = properties if isinstance(properties, dict) else {}
        required = schema.get("required")
        names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
        return {name: _least(properties.get(name), text, depth - 1) for name in names[:100]}
    return _EMPTY.get(kind, text) if isinstance(kind, str) else text
