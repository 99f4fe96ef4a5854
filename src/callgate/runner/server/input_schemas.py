"""What each tool takes. These schemas are what `tools/list` shows and what arguments are held against."""

from typing import Any

from callgate.runner.sandbox.guest.output_types import NAMES

Schema = dict[str, Any]

MAX_SCRIPT = 1 << 20
"""Bytes of a script."""
MAX_VARIABLES = 4 << 20
"""Bytes of `input_vars` as JSON."""
MIN_TIMEOUT, MAX_TIMEOUT = 30, 300
MAX_WAIT = 60

UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"


def _object(required: list[str], properties: dict[str, Schema]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _names(description: str, most: int = 100, length: int = 256) -> Schema:
    return {
        "type": "array",
        "items": {"type": "string", "minLength": 1, "maxLength": length},
        "maxItems": most,
        "description": description,
    }


def _text(description: str, length: int, least: int = 0) -> Schema:
    schema: Schema = {"type": "string", "maxLength": length, "description": description}
    if least:
        schema["minLength"] = least
    return schema


def _execution(timeout: Schema) -> Schema:
    return _object(
        ["script"],
        {
            "script": _text("The Python script: ordinary, synchronous code, at most 1 MiB.", MAX_SCRIPT, 1),
            "name": _text("A short name for the run, shown in lists.", 200),
            "description": _text("What the run is for, for whoever looks at it later.", 4_000),
            "session_id": _text(
                "Groups runs: variables that a run declares in `output_vars` are there in later runs of the same "
                "session.",
                200,
                1,
            ),
            "input_vars": {
                "type": "object",
                "maxProperties": 1_000,
                "description": 'Variables of the script by name, JSON values. `{"rows": [1, 2]}` makes `rows` a list.',
            },
            "output_vars": {
                "type": "object",
                "additionalProperties": {"type": "string", "maxLength": 100},
                "maxProperties": 1_000,
                "description": "Variables to return as `results`, each with its type, such as "
                '`{"total": "float", "rows": "list"}`. The script must have set them when it ends. Types: '
                f"{' '.join(NAMES)}; also `list[int]` and `int | null`.",
            },
            "required_tools": _names(
                'Tools that the script calls, such as `["mcp_GitHub_search_issues"]`. Whether they are there is '
                "checked before anything runs.",
                200,
            ),
            "additional_imports": _names(
                'Packages from PyPI that the script imports, such as `["polars"]`. Only built ones (wheels).'
            ),
            "local": {
                "type": "boolean",
                "description": "True: on this machine. False: on the configured remote workers. Leave it out to let "
                "the runner choose.",
            },
            "mcp_server_names": _names("MCP servers to have ready before the script starts."),
            "timeout": timeout,
            "required_secrets": _names(
                'Names of secrets that the script needs, such as `["API_TOKEN"]`; it reads them as '
                '`secrets["API_TOKEN"]`. '
                "One that is not there, or that the policy does not grant, ends it before anything runs."
            ),
        },
    )


EXECUTE = _execution(
    {
        "type": "number",
        "minimum": MIN_TIMEOUT,
        "maximum": MAX_TIMEOUT,
        "default": MAX_TIMEOUT,
        "description": "Seconds that the script may take, 30 to 300.",
    }
)

ASYNC_EXECUTE = _execution(
    {
        "type": "number",
        "exclusiveMinimum": 0,
        "description": "Seconds that the script may take. Left out: as long as the operator allows.",
    }
)

_UUID_SCHEMA: Schema = {
    "type": "string",
    "pattern": UUID,
    "description": "The `execution_uuid` that asyncExecuteCode answered with.",
}

CHECK = _object(
    ["execution_uuid"],
    {
        "execution_uuid": _UUID_SCHEMA,
        "output_offset": {
            "type": "integer",
            "minimum": 0,
            "maximum": 1 << 53,
            "default": 0,
            "description": "Give the output from here on; `output.next_offset` of the last answer.",
        },
        "wait_seconds": {
            "type": "number",
            "minimum": 0,
            "maximum": MAX_WAIT,
            "default": 0,
            "description": "Answer as soon as the run ends, or about a second after anything changed, with all that "
            "came until then; after this many seconds at the latest (0 to 60). Saves polling.",
        },
    },
)

CANCEL = _object(["execution_uuid"], {"execution_uuid": _UUID_SCHEMA})

LIST = _object(
    [],
    {
        "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
        "cursor": _text("`next_cursor` of the last answer.", 1_024, 1),
        "session_id": _text("Only the runs of this session.", 200, 1),
    },
)

SEARCH = _object(
    ["query"],
    {
        "query": _text("A few words of what the tool should do; an empty text finds all.", 400),
        "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
        "mcp_server_names": _names("Only the tools of these servers."),
    },
)

DETAILS = _object(
    ["names"],
    {"names": {**_names("Functions, as searchTools gives them.", 50), "minItems": 1}},
)
