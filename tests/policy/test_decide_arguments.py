"""`validate`: required arguments, the tool's own schema, and schemas for single arguments."""

from decimal import Decimal
from typing import Any

import pytest
from judging import codes, decide, policy, sample_schema

from callgate import denial_codes as code
from callgate.policy.toolschema import SchemaProblem, ToolSchema

REQUIRED = "tools: {'*': {rules: [{validate: {required_args: true}}]}}"
SCHEMA = "tools: {'*': {rules: [{validate: {schema: true}}]}}"
ARGS = "tools: {'*': {rules: [{validate: {args: {timeout: {type: integer, maximum: 300}}}}]}}"

EDIT = {"path": "/x", "edits": [{"oldText": "a", "newText": "b"}]}
REVIEW = {"owner": "o", "repo": "r", "pull_number": 1, "body": "b", "event": "COMMENT"}


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (EDIT, []),
        ({"path": "/x"}, ["edits"]),
        ({"path": None, "edits": []}, ["path"]),
        ({}, ["path", "edits"]),
        ({"path": 5, "edits": 5}, []),
    ],
)
def test_every_argument_that_the_tool_requires_must_be_present_and_not_null(
    arguments: dict[str, Any], missing: list[str]
) -> None:
    schema = sample_schema("edit_file")
    assert schema.missing_required(arguments) == missing
    decision = decide(REQUIRED, "edit_file", arguments, schema=schema)
    assert codes(decision) == ([code.ARGUMENT_MISSING] if missing else [])
    assert all(f"`{name}`" in decision.reasons[0].text for name in missing)


def test_required_names_are_found_through_references_and_all_of() -> None:
    schema = ToolSchema(
        {
            "$ref": "#/$defs/input",
            "required": ["a"],
            "allOf": [{"required": ["b"]}, {"$ref": "#/$defs/more"}],
            "anyOf": [{"required": ["never"]}],
            "$defs": {
                "input": {"required": ["c"], "allOf": [{"required": ["d"]}]},
                "more": {"required": ["a", "e"]},
            },
        }
    )
    assert sorted(schema.missing_required({})) == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("tool", ["get-env", "chroma_list_collections"])
def test_a_tool_that_requires_nothing_may_be_called_with_nothing(tool: str) -> None:
    for text in (REQUIRED, SCHEMA):
        assert codes(decide(text, tool, {}, schema=sample_schema(tool))) == []


@pytest.mark.parametrize(
    ("tool", "arguments", "violation"),
    [
        ("edit_file", EDIT, None),
        ("edit_file", {**EDIT, "extra": 1}, None),
        ("edit_file", {**EDIT, "path": 1}, "`path` must be of type string"),
        (
            "edit_file",
            {"path": "/x", "edits": [{"oldText": 1, "newText": ""}]},
            "`edits[0].oldText` must be of type",
        ),
        ("edit_file", {"path": "/x"}, "the arguments must have `edits`"),
        ("create_pull_request_review", REVIEW, None),
        ("create_pull_request_review", {**REVIEW, "event": "APPROVED"}, '`event` must be one of "APPROVE"'),
        ("create_pull_request_review", {**REVIEW, "x": 1}, "must not have `x`"),
        (
            "create_pull_request_review",
            {**REVIEW, "comments": [{"path": "a", "line": 1, "position": 2, "body": ""}]},
            "`comments[0]` does not satisfy `anyOf`",
        ),
        ("chroma_list_collections", {"limit": None}, None),
        ("chroma_list_collections", {"limit": Decimal("2.0"), "offset": 10**30}, None),
        ("chroma_list_collections", {"limit": Decimal("2.5")}, "`limit` does not satisfy `anyOf`"),
        ("browser_click", {"target": "e1", "button": "middle"}, None),
        ("browser_click", {"target": "e1", "modifiers": ["Alt", "Hyper"]}, "`modifiers[1]` must be one of"),
    ],
)
def test_arguments_are_checked_against_the_schemas_of_published_servers(
    tool: str, arguments: dict[str, Any], violation: str | None
) -> None:
    schema = sample_schema(tool)
    found = schema.first_violation(arguments)
    assert (found is None) if violation is None else (found is not None and violation in found)
    assert codes(decide(SCHEMA, tool, arguments, schema=schema)) == (
        [code.ARGUMENT_INVALID] if violation else []
    )


@pytest.mark.parametrize(
    ("schema", "value", "valid"),
    [
        ({"maximum": 300}, Decimal("300.000000000000000000000000000001"), False),
        ({"maximum": 300}, Decimal("300.00"), True),
        ({"maximum": 10**30}, 10**30 + 1, False),
        ({"const": 10**30}, 10**30, True),
        ({"multipleOf": Decimal("0.01")}, Decimal("4.35"), True),
        ({"type": "integer"}, Decimal("1E+400"), True),
        ({"type": "integer"}, True, False),
        ({"type": "number"}, "1", False),
        ({"enum": [1]}, Decimal("1.00"), True),
        (True, 5, True),
        (False, 5, False),
        (
            {"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 3, "exclusiveMaximum": True},
            3,
            False,
        ),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}, [1], False),
        ({"prefixItems": [{"type": "string"}]}, [1], False),
        ({"items": {"$ref": "#"}, "type": "array"}, [[], [[]]], True),
        ({"items": {"$ref": "#"}, "type": "array"}, [[], [1]], False),
        ({"properties": {"a": {"$ref": "#/properties/b"}, "b": {"type": "string"}}}, {"a": 1}, False),
        ({"$ref": "#x", "$defs": {"y": {"$anchor": "x", "type": "string"}}}, 1, False),
        (
            {"$id": "https://example.com/a", "$ref": "https://example.com/a#/$defs/y", "$defs": {"y": False}},
            1,
            False,
        ),
        ({"properties": {"a/b": {}, "c": {"$ref": "#/properties/a~1b"}}}, {"c": 1}, True),
        ({"pattern": r"^(?!\.)[a-z.]+$"}, "a.b", True),
        ({"pattern": r"^(?!\.)[a-z.]+$"}, ".a", False),
    ],
)
def test_numbers_stay_exact_and_dialects_are_honoured(schema: Any, value: Any, valid: bool) -> None:
    assert (ToolSchema(schema).first_violation(value) is None) is valid


def test_a_violation_never_repeats_a_long_value() -> None:
    schema = ToolSchema({"enum": ["x" * 5000], "type": "string"})
    text = schema.first_violation("y" * 1_000_000)
    assert text is not None
    assert "y" not in text.replace("type", "").replace("must be", "")
    assert len(text) < 400


def test_text_that_is_not_unicode_is_a_violation() -> None:
    assert ToolSchema({"type": "string", "minLength": 1}).first_violation("\ud800") is not None


def test_a_schema_that_is_needed_and_not_known_denies() -> None:
    for text in (REQUIRED, SCHEMA):
        assert codes(decide(text, "t", {})) == [code.SCHEMA_UNKNOWN]
        assert policy(text).needs_schema("anything")
    assert not policy(ARGS).needs_schema("t")
    assert not policy("tools: {u: {rules: [{validate: {schema: true}}]}}").needs_schema("t")


@pytest.mark.parametrize(
    ("arguments", "denied"),
    [
        ({}, False),
        ({"timeout": 300}, False),
        ({"timeout": 301}, True),
        ({"timeout": None}, True),
        ({"timeout": "5"}, True),
    ],
)
def test_the_schema_of_one_argument_speaks_of_it_only_if_it_is_present(
    arguments: dict[str, Any], denied: bool
) -> None:
    decision = decide(ARGS, "t", arguments)
    assert codes(decision) == ([code.ARGUMENT_INVALID] if denied else [])
    assert not denied or "`timeout` must be" in decision.reasons[0].text


def test_formats_are_enforced_for_single_arguments() -> None:
    text = "tools: {t: {rules: [{validate: {args: {to: {format: email}}}}]}}"
    assert codes(decide(text, "t", {"to": "nobody"})) == [code.ARGUMENT_INVALID]
    assert codes(decide(text, "t", {"to": "a@example.com"})) == []


def test_the_files_reason_comes_before_what_is_wrong() -> None:
    text = "tools: {t: {rules: [{reason: Keep it short, validate: {args: {timeout: {maximum: 3}}}}]}}"
    (reason,) = decide(text, "t", {"timeout": 4}).reasons
    assert reason.text == "Keep it short: `t` was called with a wrong argument: `timeout` must be at most 3"


def test_a_schema_that_cannot_be_used_denies() -> None:
    for raw in (
        {"$ref": "#"},
        {"type": "strin"},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#/nowhere"},
    ):
        assert codes(decide(SCHEMA, "t", {}, schema=ToolSchema(raw))) == [code.SCHEMA_UNUSABLE]
    assert codes(decide(REQUIRED, "t", {}, schema=ToolSchema({"required": True}))) == [code.SCHEMA_UNUSABLE]


def test_arguments_nested_too_deep_to_be_checked_deny() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(SchemaProblem, match="nested deeper"):
        ToolSchema({"items": {"$ref": "#"}}).first_violation(deep)
    assert codes(decide(SCHEMA, "t", {"a": deep}, schema=ToolSchema({}))) == [code.SCHEMA_UNUSABLE]
    while (
        type(deep) is list
    ):  # Taken apart by hand: freeing it in one go would overflow the stack of some Pythons.
        deep = deep.pop()
