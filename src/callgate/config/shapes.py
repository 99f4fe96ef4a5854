"""The JSON Schemas that many keys of callgate.yaml share, and what a person calls such values."""

from typing import Any


def ref(definition: str) -> dict[str, Any]:
    return {"$ref": f"#/definitions/{definition}"}


def array(items: dict[str, Any], *, at_least: int = 0) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": "array", "items": items}
    return {**shape, "minItems": at_least} if at_least else shape


def whole(low: int, high: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high}


TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
TRUTH: dict[str, Any] = {"type": "boolean"}
DURATION = ref("duration")
SIZE = ref("size")
A_DURATION = "duration such as `90s`, `15m`, `1h`, or seconds"
A_SIZE = "size such as `64KiB`, `16MB`, or bytes"
