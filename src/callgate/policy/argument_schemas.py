"""The JSON Schemas of `validate.args`, checked when the file is read. Nothing is ever fetched.

A keyword that JSON Schema does not know would be ignored in silence, and a slip of the pen would open the
gate; so unknown keywords, unknown formats and references that lead out of the schema are errors.
"""

from collections.abc import Iterator
from typing import Any

from callgate.policy.findings import Findings, did_you_mean
from callgate.policy.values import plain
from callgate.policy.yaml_tree import ListNode, MapNode, Node, ScalarNode
from callgate.text import quote

_DRAFT = "https://json-schema.org/draft/2020-12/schema"

_ONE = ("additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then",
        "unevaluatedItems", "unevaluatedProperties")  # fmt: skip
"""Keywords whose value is a schema."""

_MANY = ("allOf", "anyOf", "oneOf", "prefixItems")
"""Keywords whose value is a list of schemas."""

_NAMED = ("$defs", "dependentSchemas", "patternProperties", "properties")
"""Keywords whose value maps names to schemas."""

_PLAIN = ("$anchor", "$comment", "$ref", "$schema", "const", "default", "dependentRequired", "deprecated",
          "description", "enum", "examples", "exclusiveMaximum", "exclusiveMinimum", "format", "maxContains",
          "maxItems", "maxLength", "maxProperties", "maximum", "minContains", "minItems", "minLength",
          "minProperties", "minimum", "multipleOf", "pattern", "readOnly", "required", "title", "type",
          "uniqueItems", "writeOnly")  # fmt: skip

_TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
_TYPE_HINTS = {
    **dict.fromkeys(("str", "text"), "write `string`"),
    **dict.fromkeys(("float", "double", "decimal"), "write `number`"),
    **dict.fromkeys(("list", "tuple"), "write `array`"),
    **dict.fromkeys(("dict", "map", "mapping"), "write `object`"),
    "int": "write `integer`",
    "bool": "write `boolean`",
}

_FORMATS = ("date", "date-time", "duration", "email", "hostname", "idn-email", "idn-hostname", "ipv4", "ipv6", "iri",
            "iri-reference", "json-pointer", "regex", "relative-json-pointer", "time", "uri", "uri-reference",
            "uri-template", "uuid")  # fmt: skip

_KEYWORDS = frozenset((*_ONE, *_MANY, *_NAMED, *_PLAIN))

_REGEX_BYTES = 1 << 20
"""What one compiled `pattern` may take."""


def read_argument_schema(node: Node, findings: Findings) -> tuple[Any, bool]:
    """Return the schema as plain data, and whether it can be used."""
    before = findings.errors
    _check_keywords(node, findings)
    schema = plain(node, findings)
    if findings.errors == before:
        _check_meaning(schema, node, findings)
    return schema, findings.errors == before


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is not fetched")


def _check_keywords(root: Node, findings: Findings) -> None:
    pending = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, MapNode):
            for key, value in node.entries:
                _check_keyword(key, value, findings)
                pending.extend(_schemas_within(key.text, value))
        elif not (isinstance(node, ScalarNode) and isinstance(node.value, bool)):
            findings.error(
                "POL060",
                "a JSON Schema is a mapping, `true` or `false`",
                node.source,
                "write `{type: string}`, say",
            )


def _schemas_within(keyword: str, value: Node) -> Iterator[Node]:
    if keyword in _ONE:
        yield value
    elif keyword in _MANY and isinstance(value, ListNode):
        yield from value.items
    elif keyword in _NAMED and isinstance(value, MapNode):
        for _, schema in value.entries:
            yield schema


def _check_keyword(key: ScalarNode, value: Node, findings: Findings) -> None:
    keyword = key.text
    text = value.text if isinstance(value, ScalarNode) and value.kind == "string" else None
    if keyword == "$ref" and text is not None and not text.startswith("#"):
        findings.error(
            "POL061", f"the reference {quote(text)} leads out of the schema", value.source,
            "write the schema here; nothing is ever fetched",
        )  # fmt: skip
    elif keyword == "$schema" and text is not None and text.rstrip("#") != _DRAFT:
        findings.error(
            "POL060", f"{quote(text)} is not the dialect that is read", value.source, f"use {_DRAFT}"
        )
    elif keyword not in _KEYWORDS and not keyword.startswith("x-"):
        help = did_you_mean(keyword, _KEYWORDS) or "names that start with `x-` are free for notes"
        findings.error("POL062", f"unknown JSON Schema keyword {quote(keyword)}", key.source, help)


def _check_meaning(schema: Any, node: Node, findings: Findings) -> None:
    """Let the validators themselves say what is wrong: the metaschema, a trial, and what calls are checked by."""
    import jsonschema_rs

    from callgate.policy.toolschema import SchemaProblem, ToolSchema

    linear = jsonschema_rs.RegexOptions(size_limit=_REGEX_BYTES, dfa_size_limit=_REGEX_BYTES)
    wrong: list[tuple[list[str | int], str]] = []
    try:
        # Unlike a tool's own schema, one that is written here gets no engine that can backtrack. Compiling holds
        # it against the metaschema, but names one mistake only.
        jsonschema_rs.Draft202012Validator(
            schema,
            retriever=_refuse,
            pattern_options=linear,
            validate_formats=True,
            ignore_unknown_formats=False,
        )
        ToolSchema(schema, strict_formats=True).first_violation(None)
    except jsonschema_rs.ValidationError as error:
        every = jsonschema_rs.iter_errors({"$ref": _DRAFT}, schema, retriever=_refuse)
        wrong = [(one.instance_path, one.message) for one in every] or [(error.instance_path, error.message)]
    except (jsonschema_rs.ReferencingError, SchemaProblem, ValueError) as error:
        wrong = [([], str(error))]
    for path, message in wrong:
        at = _at(node, path)
        what, help = _described(path, message, at)
        findings.error("POL060", f"not a JSON Schema: {what}", at.source, help)


def _described(path: list[str | int], message: str, at: Node) -> tuple[str, str | None]:
    """What is wrong and what to do, in words of ours where the library's would not help."""
    if "type" in path[-2:] and message.endswith("'anyOf' keyword") and not isinstance(at, MapNode):
        found = at.text if isinstance(at, ScalarNode) else ""
        help = _TYPE_HINTS.get(found) or (did_you_mean(found, _TYPES) if found else None)
        return f"`type` must be one of {', '.join(_TYPES)}, or a list of them", help
    if message.startswith("Unknown format: "):
        found = at.text if isinstance(at, ScalarNode) else ""
        return f"unknown format {quote(found)}", did_you_mean(found, _FORMATS) or f"use {', '.join(_FORMATS)}"
    if message.endswith('is not a "regex"'):
        help = "expressions have no look-around and no back-references, and must stay small"
        return _one_line(message), help
    return _one_line(message), None


def _at(node: Node, path: list[str | int]) -> Node:
    """Return the node under `node` that `path` leads to, or the last one on the way."""
    for step in path:
        if isinstance(node, MapNode):
            below = next((value for key, value in node.entries if key.text == step), None)
        elif isinstance(node, ListNode) and isinstance(step, int) and step < len(node.items):
            below = node.items[step]
        else:
            below = None
        if below is None:
            return node
        node = below
    return node


def _one_line(message: str) -> str:
    return quote(message.replace("`", "'"), 160)[1:-1]
