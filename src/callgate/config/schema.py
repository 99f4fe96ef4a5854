"""The JSON Schema (draft-07, which editors read) of callgate.yaml, made from the key tables.

It accepts every file that the reader accepts. What only the reader can know (what must hold between keys, the bounds
of durations and sizes, whether files are there) it leaves open.
"""

from typing import Any

from callgate.config import runner_keys
from callgate.config.keys import AUTH, JWT, LIMITS, LISTEN, SECRET, SERVER, SESSIONS, TELEMETRY, TLS, TOP
from callgate.config.quantities import BYTES, SECONDS
from callgate.policy.keys import Key
from callgate.policy.scalars import resolve
from callgate.policy.schema import example_value


def config_schema() -> dict[str, Any]:
    """Return the schema as plain data."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Callgate configuration",
        **_mapping(TOP, "What `callgate serve` serves, to whom, and what `callgate runner` runs."),
        "anyOf": [
            {"required": ["servers"], "properties": {"servers": {"minProperties": 1}}},
            {"required": ["runner"]},
        ],
        "definitions": {
            "server": _server(),
            "server_name": {
                "type": "string",
                "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
                "not": {"enum": ["healthz", "readyz", "metrics"]},
                "description": "Part of the address: the server is reached at `/NAME/mcp`.",
                "examples": ["git"],
            },
            "secret": _secret(),
            "text_or_secret": {
                "description": "A text, or where a secret is.",
                "anyOf": [{"type": "string"}, {"$ref": "#/definitions/secret"}],
            },
            "listen": _mapping(LISTEN, "Where the gate listens, and for whom."),
            "tls": _mapping(TLS, "Serve https."),
            "limits": _mapping(LIMITS, "What one client may cost."),
            "auth": {
                **_mapping(AUTH, "How callers prove who they are."),
                "anyOf": [{"required": ["keys"]}, {"required": ["jwt", "resource"]}],
                "dependencies": {"jwt": ["resource"]},
            },
            "jwt": _mapping(JWT, "Who issues bearer tokens, and what they must be like."),
            "sessions": _mapping(SESSIONS, "How agents' sessions are kept."),
            "telemetry": _mapping(TELEMETRY, "What the gate reports about itself."),
            "runner": _mapping(runner_keys.RUNNER, "How `callgate runner` executes agents' code."),
            "runner_limits": _mapping(runner_keys.LIMITS, "What one execution may use."),
            "packages": _mapping(runner_keys.PACKAGES, "What code may import beyond the standard library."),
            "retention": _mapping(runner_keys.RETENTION, "What is kept of executions that ended."),
            "duration": _measure(SECONDS, "Seconds.", "A number with a unit.", "90s"),
            "size": _measure(BYTES, "Bytes.", "A number with a unit.", "16MiB"),
            "address": {
                "type": "string",
                "pattern": "^https?://",
                "description": "An https address; plain http is for loopback only.",
                "examples": ["https://gate.example.com"],
            },
        },
    }


def _mapping(table: tuple[Key, ...], meaning: str) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "description": meaning,
        "additionalProperties": False,
        "properties": {key.name: _property(key) for key in table},
    }
    required = [key.name for key in table if key.required]
    if required:
        schema["required"] = required
    return schema


def _property(key: Key) -> dict[str, Any]:
    # Draft-07 ignores what stands beside a $ref, so the reference goes into an allOf.
    shape = {"allOf": [key.shape]} if "$ref" in key.shape else key.shape
    described = {**shape, "description": key.meaning, "examples": [example_value(key)]}
    if key.default and " " not in key.default and key.default[0] not in "[{" and key.default != "none":
        described["default"] = resolve(key.default)[1]
    return described


def _server() -> dict[str, Any]:
    kinds = [{"required": ["command"]}, {"required": ["url"]}]
    return {**_mapping(SERVER, "One server behind the gate."), "oneOf": kinds}


def _secret() -> dict[str, Any]:
    kinds = [{"required": ["env"]}, {"required": ["file"]}]
    return {**_mapping(SECRET, "Where a secret is; never the secret."), "oneOf": kinds}


def _measure(units: Any, number: str, text: str, example: str) -> dict[str, Any]:
    pattern = f"^[0-9]+(\\.[0-9]+)? ?({'|'.join(units)})$"
    return {
        "anyOf": [
            {"type": "number", "minimum": 0, "description": number},
            {"type": "string", "pattern": pattern, "description": text, "examples": [example]},
        ]
    }
