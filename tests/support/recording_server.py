"""A small MCP server that runs whatever it can read and writes down what it ran.

    recording_server.py LOG [TOOL ...]

It reads as sloppy servers do: universal newlines, the last of two equal keys, names without regard to case, no
look at ids. Every tools/call that it understands is appended to LOG as one JSON line. Tools given are listed;
each has an inputSchema with a required string `text`. With RECORDING_SPLITLINES in the environment it cuts what
it reads with `str.splitlines`, so also at U+0085, U+2028 and U+2029.
"""

import io
import json
import os
import sys
from typing import Any

TOOLS = sys.argv[2:] or ["echo", "rm"]


def answer(message: dict[str, Any]) -> dict[str, Any] | None:
    """The result for one message, None if it wants none."""
    method = message.get("method")
    params = message.get("params") or {}
    if method == "initialize":
        return {
            "protocolVersion": params.get("protocolVersion", "2025-11-25"),
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "recording", "version": "1"},
        }
    if method == "tools/list":
        schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
        return {"tools": [{"name": name, "inputSchema": schema} for name in TOOLS]}
    if method == "tools/call":
        with open(sys.argv[1], "a") as log:
            log.write(json.dumps(params) + "\n")
        return {"content": [{"type": "text", "text": json.dumps(params.get("arguments"))}]}
    return {}


def folded(value: Any) -> Any:
    """Objects with lower-case keys, as decoders that ignore case see them."""
    if isinstance(value, dict):
        keys = {"protocolversion": "protocolVersion"}
        return {keys.get(key.lower(), key.lower()): folded(member) for key, member in value.items()}
    return value


def flat(message: Any) -> list[Any]:
    """The members of a batch, and of a batch inside it."""
    return [one for inner in message for one in flat(inner)] if isinstance(message, list) else [message]


# As the official SDK opens it: universal newlines, where sys.stdin itself has none on Unix.
stdin = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace")
splits = "RECORDING_SPLITLINES" in os.environ
for line in (piece for text in stdin for piece in (text.splitlines() if splits else (text,))):
    try:
        message = json.loads(line)
        messages = flat(message)
    except (ValueError, RecursionError):
        continue
    for one in messages:
        if not isinstance(one, dict):
            continue
        one = folded(one)
        result = answer(one)
        if "id" in one and "method" in one:
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": one["id"], "result": result}) + "\n")
            sys.stdout.flush()
