"""The schema for editors accepts what the reader accepts, and describes every key the reader knows."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from marked import findings
from test_load_native import PUBLISHED

from callgate.policy import reference
from callgate.policy.findings import Findings
from callgate.policy.keys import TABLES
from callgate.policy.normalized import to_json
from callgate.policy.schema import example_value, policy_schema
from callgate.policy.source_text import SourceText
from callgate.policy.values import plain
from callgate.policy.yaml_tree import parse

ROOT = Path(__file__).parents[2]
NATIVE = sorted((ROOT / "policies").glob("*.yaml"))


def _data(text: str) -> Any:
    source = SourceText("policy.yaml", text)
    recorded = Findings(source)
    node = parse(source, recorded)
    assert node is not None
    return plain(node, recorded)


@pytest.fixture(scope="module")
def validator() -> jsonschema_rs.Draft7Validator:
    schema = policy_schema()
    jsonschema_rs.meta.validate(schema)
    return jsonschema_rs.Draft7Validator(schema)


@pytest.mark.parametrize("file", NATIVE, ids=lambda file: file.name)
def test_every_native_example_policy_satisfies_the_schema(
    file: Path, validator: jsonschema_rs.Draft7Validator
) -> None:
    validator.validate(_data(file.read_text()))


GOOD = [
    PUBLISHED,
    "default: allow",
    "hide: [a]",
    "per_execution: {max_calls: 0}",
    "per_execution: {max_denied: 5, max_seconds: 1.5h, tools: {create_*: 5.0}}",
    "grant_secrets: [A, b_1]",
    "tools: {t: {rules: [{rate_limit: 10/60s}]}}",
    "tools: {t: {rules: [{rate_limit: [10 / min, {max: 0, window: 0.001}]}]}}",
    "tools: {t: {rules: [{rate_limit: {max: 10.0, window: 1.5h, per: tool}}]}}",
    "tools: {t: {rules: [{when: {identity.a.b: x}, rate_limit: {max: 1, window: 1, per: [identity.org]}}]}}",
    "tools: {t: {rules: [{rate_limit: {max: 1.5, window: 1d, cost: args.a.b, per: [identity, args.c]}}]}}",
    "tools: {t: {rules: [{action: deny, when: {args.a: null, args.b: [1], args.c: {gt: 1, neq: {x: y}}}}]}}",
    "tools: {t: {rules: [{action: require_approval, rate_limit: 5/s, validate: {args: {a: true}}}]}}",
]

BAD = [
    "{}",
    "description: nothing",
    "default: denyy",
    "default: allow\nhidden: []",
    "per_execution: {}",
    "per_execution: {max_call: 1}",
    "per_execution: {max_calls: -1}",
    "per_execution: {max_calls: 1.5}",
    "per_execution: {max_seconds: 1w}",
    "per_execution: {tools: {}}",
    "per_execution: {tools: {a: 5/s}}",
    "grant_secrets: A",
    "grant_secrets: [a-b]",
    "grant_secrets: [A, A]",
    "hide: a",
    "hide: ['']",
    "hide: [5]",
    "tools: []",
    "tools: {'': {rules: []}}",
    "tools: {t: }",
    "tools: {t: {}}",
    "tools: {t: {rules: {}}}",
    "tools: {t: {rules: [x]}}",
    "tools: {t: {rules: [{action: alow}]}}",
    "tools: {t: {rules: [{rate_limt: 5/s}]}}",
    "tools: {t: {rules: [{rate_limit: 5}]}}",
    "tools: {t: {rules: [{rate_limit: 5/fortnight}]}}",
    "tools: {t: {rules: [{rate_limit: []}]}}",
    "tools: {t: {rules: [{rate_limit: {max: 5}}]}}",
    "tools: {t: {rules: [{rate_limit: {max: -1, window: 5}}]}}",
    "tools: {t: {rules: [{rate_limit: {max: 1.5, window: 5}}]}}",
    "tools: {t: {rules: [{rate_limit: {max: 1, window: 0}}]}}",
    "tools: {t: {rules: [{rate_limit: {max: 1, window: 31622401}}]}}",
    "tools: {t: {rules: [{rate_limit: {max: 1, window: 1w}}]}}",
    "tools: {t: {rules: [{rate_limit: {max: 1, window: 5, scope: all}}]}}",
    "tools: {t: {rules: [{rate_limit: {max: 1, window: 5, per: []}}]}}",
    "tools: {t: {rules: [{rate_limit: {max: 1, window: 5, per: currency}}]}}",
    "tools: {t: {rules: [{rate_limit: {max: 1, window: 5, cost: tool}}]}}",
    "tools: {t: {rules: [{action: deny, rate_limit: 5/s}]}}",
    "tools: {t: {rules: [{action: deny, validate: {schema: true}}]}}",
    "tools: {t: {rules: [{when: {}}]}}",
    "tools: {t: {rules: [{when: {amount: 5}}]}}",
    "tools: {t: {rules: [{when: {identity.: 5}}]}}",
    "tools: {t: {rules: [{when: {args.a: {}}}]}}",
    "tools: {t: {rules: [{when: {args.a: {equals: 5}}}]}}",
    "tools: {t: {rules: [{when: {args.a: {lt: x}}}]}}",
    "tools: {t: {rules: [{when: {args.a: {in: x}}}]}}",
    "tools: {t: {rules: [{when: {args.a: {exists: 'yes'}}}]}}",
    "tools: {t: {rules: [{validate: {}}]}}",
    "tools: {t: {rules: [{validate: {args: {}}}]}}",
    "tools: {t: {rules: [{validate: {args: {a: 5}}}]}}",
    "tools: {t: {rules: [{validate: {required_args: 1}}]}}",
    "tools: {t: {rules: [{reason: 5}]}}",
]


def _is_valid(text: str) -> bool:
    return not any(each.severity == "error" for each in findings(text))


@pytest.mark.parametrize("text", GOOD)
def test_what_the_reader_accepts_satisfies_the_schema(
    text: str, validator: jsonschema_rs.Draft7Validator
) -> None:
    assert _is_valid(text)
    validator.validate(_data(text))


@pytest.mark.parametrize("text", BAD)
def test_what_the_schema_can_refuse_both_refuse(text: str, validator: jsonschema_rs.Draft7Validator) -> None:
    assert not _is_valid(text)
    assert not validator.is_valid(_data(text))


def test_every_key_has_a_meaning_and_an_example_that_fits_its_shape() -> None:
    definitions = policy_schema()["definitions"]
    for table in TABLES.values():
        for key in table:
            assert key.meaning.endswith("."), key.name
            shape = {**key.shape, "definitions": definitions}
            assert jsonschema_rs.Draft7Validator(shape).is_valid(example_value(key)), key.name


def test_every_property_of_the_schema_is_described() -> None:
    def walk(schema: Any) -> None:
        for each in schema.get("properties", {}).values():
            assert each.get("description") or "$ref" in each or "multipleOf" in each or "const" in each, each
        for each in schema.get("definitions", {}).values():
            walk(each)
            for option in each.get("anyOf", ()):
                walk(option)

    walk(policy_schema())


def test_the_reference_page_is_what_the_key_tables_say() -> None:
    assert (ROOT / "docs/policy-reference.md").read_text() == reference.reference()


def test_the_schema_beside_the_example_policies_is_the_one_that_is_printed() -> None:
    assert (ROOT / "policies/callgate-policy.schema.json").read_text() == to_json(policy_schema()) + "\n"


def test_the_policy_that_the_reference_page_shows_is_valid() -> None:
    shown = reference.reference().split("```yaml\n")[1].split("```")[0]
    assert findings(shown) == ()
