"""The schema for editors accepts what the reader accepts, and the pages say what the tables say."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from config_files import HTTP_SERVER, LEAST, SERVER, findings
from test_config_meaning import WHOLE

from callgate.config import reference
from callgate.config.keys import TABLES
from callgate.config.schema import config_schema
from callgate.policy.findings import Findings
from callgate.policy.schema import example_value
from callgate.policy.source_text import SourceText
from callgate.policy.values import plain
from callgate.policy.yaml_tree import parse

ROOT = Path(__file__).parents[2]


def _data(text: str) -> Any:
    source = SourceText("callgate.yaml", text)
    recorded = Findings(source)
    node = parse(source, recorded)
    assert node is not None
    return plain(node, recorded)


@pytest.fixture(scope="module")
def validator() -> jsonschema_rs.Draft7Validator:
    schema = config_schema()
    jsonschema_rs.meta.validate(schema)
    return jsonschema_rs.Draft7Validator(schema)


GOOD = [
    LEAST,
    WHOLE,
    HTTP_SERVER + "workers: 4\nstate: redis://x",
    SERVER + "auth: {keys: keys.yaml}",
    SERVER + "drain: 1.5",
    SERVER + "drain: 1.5 s",
]

BAD = [
    "{}",
    "servers: {}",
    "servers: []",
    SERVER + "worker: 2",
    SERVER + "workers: 0",
    SERVER + "workers: 1.5",
    SERVER + "workers: '2'",
    SERVER + "drain: soon",
    SERVER + "drain: 5w",
    SERVER + "state: 5",
    SERVER + "state: {env: A, file: b}",
    SERVER + "on_state_failure: open",
    SERVER + "listen: {port: 65536}",
    SERVER + "listen: {hosts: a}",
    SERVER + "listen: {tls: {cert: a}}",
    SERVER + "listen: {limits: {max_head: 5XB}}",
    SERVER + "listen: {limits: {max_head: -5}}",
    SERVER + "auth: {}",
    SERVER + "auth: {jwt: {issuer: i, audience: a, jwks: j}}",
    SERVER + "auth: {keys: k, jwt: {issuer: i, audience: a, jwks: j}}",
    SERVER + "auth: {resource: https://a, jwt: {issuer: i, audience: a}}",
    SERVER + "auth: {resource: https://a, jwt: {issuer: i, audience: a, jwks: j, algorithms: [HS256]}}",
    SERVER + "sessions: {secret: abc}",
    SERVER + "telemetry: {metrics: 'on'}",
    "servers: {.a: {command: [a], policy: git.yaml}}",
    "servers: {metrics: {command: [a], policy: git.yaml}}",
    "servers: {a: {command: a, policy: git.yaml}}",
    "servers: {a: {command: [], policy: git.yaml}}",
    "servers: {a: {command: [a]}}",
    "servers: {a: {policy: git.yaml}}",
    "servers: {a: {command: [a], url: 'http://x', policy: git.yaml}}",
    "servers: {a: {url: x, policy: git.yaml}}",
    "servers: {a: {command: [a], policy: git.yaml, env: {A: 5}}}",
    "servers: {a: {command: [a], policy: git.yaml, env: {a-b: x}}}",
    "servers: {a: {command: [a], policy: git.yaml, nope: 1}}",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_the_reader_accepts_satisfies_the_schema(
    tmp_path: Path, text: str, validator: jsonschema_rs.Draft7Validator
) -> None:
    assert not [each for each in findings(tmp_path, text) if each.severity == "error"]
    validator.validate(_data(text))


@pytest.mark.parametrize("text", BAD)
def test_what_the_schema_can_refuse_both_refuse(
    tmp_path: Path, text: str, validator: jsonschema_rs.Draft7Validator
) -> None:
    assert [each for each in findings(tmp_path, text) if each.severity == "error"]
    assert not validator.is_valid(_data(text))


def test_every_key_has_a_meaning_and_an_example_that_fits_its_shape() -> None:
    definitions = config_schema()["definitions"]
    for table in TABLES.values():
        for key in table:
            assert key.meaning.endswith("."), key.name
            shape = {**key.shape, "definitions": definitions}
            assert jsonschema_rs.Draft7Validator(shape).is_valid(example_value(key)), key.name


def test_every_default_of_the_schema_fits_its_property() -> None:
    schema = config_schema()
    definitions = schema["definitions"]
    for mapping in (schema, *definitions.values()):
        for name, each in mapping.get("properties", {}).items():
            assert each["description"], name
            if "default" in each:
                validator = jsonschema_rs.Draft7Validator({**each, "definitions": definitions})
                assert validator.is_valid(each["default"]), name


def test_the_reference_page_is_what_the_key_tables_say() -> None:
    assert (ROOT / "docs/config-reference.md").read_text() == reference.reference()


def test_the_files_that_the_reference_page_shows_are_valid(tmp_path: Path) -> None:
    shown = [part.split("```")[0] for part in reference.reference().split("```yaml\n")[1:3]]
    assert all(text.startswith(("servers:", "listen:")) for text in shown)
    for text in shown:
        assert findings(tmp_path, text) == ()
