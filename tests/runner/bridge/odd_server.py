"""A server over stdio that remembers, misbehaves and dies when told to; of the handshake era, without the SDK.

odd_server.py [--dead] [--mute]
"""

import json
import os
import sys
from typing import Any

ANY: dict[str, Any] = {"type": "object"}
WRITES: list[str] = []
TOOLS: list[dict[str, Any]] = [
    {"name": "remember", "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}},
    {"name": "recall", "inputSchema": ANY, "annotations": {"readOnlyHint": True}},
    {"name": "again", "inputSchema": ANY, "annotations": {"idempotentHint": True}},
    {
        "name": "echo",
        "inputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    },
    {"name": "environment", "inputSchema": ANY},
    {"name": "odd", "inputSchema": ANY, "outputSchema": {"type": "object", "required": ["n"]}},
    {"name": "raw", "inputSchema": ANY},
    {"name": "die", "inputSchema": ANY},
    {"name": "hang", "inputSchema": ANY},
    {"name": "more", "inputSchema": ANY},
    {"name": "a-b", "inputSchema": ANY},
    {"name": "a.b", "inputSchema": ANY},
    {"name": "twice", "inputSchema": ANY},
    {"name": "twice", "inputSchema": ANY},
    {"name": "line\nbreak", "inputSchema": ANY},
    {"name": "x" * 300, "inputSchema": ANY},
]


def say(message: Any) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def called(name: str, arguments: dict[str, Any], id: Any, line: str) -> Any:
    """The result; None where nothing is to be answered."""
    if name == "remember":
        WRITES.append(arguments.get("text", ""))
        return {"content": [{"type": "text", "text": str(len(WRITES))}]}
    if name == "recall":
        return {"content": [{"type": "text", "text": json.dumps({"pid": os.getpid(), "texts": WRITES})}]}
    if name == "echo":
        # The text as it was written, for whoever compares it.
        return {"content": [{"type": "text", "text": line}, {"type": "text", "text": "."}]}
    if name == "environment":
        return {"content": [], "structuredContent": dict(os.environ)}
    if name == "odd":
        return {"content": [], "structuredContent": {"m": 1}}
    if name == "raw":
        sys.stdout.write(arguments["line"].replace("ID", json.dumps(id)) + "\n")
        sys.stdout.flush()
        return None
    if name == "die":
        sys.exit(3)
    if name == "hang":
        return None
    if name == "more":
        TOOLS.append({"name": "fresh", "inputSchema": ANY})
        say({"method": "notifications/tools/list_changed"})
    return {"content": [{"type": "text", "text": "done"}]}


def main() -> None:
    if "--dead" in sys.argv:
        sys.exit(1)
    for line in sys.stdin:
        if "--mute" in sys.argv:
            continue
        message = json.loads(line)
        method, id = message.get("method"), message.get("id")
        params = message.get("params", {})
        if id is None or method is None:
            continue
        if method == "initialize":
            say(
                {
                    "id": id,
                    "result": {
                        "protocolVersion": params["protocolVersion"],
                        "capabilities": {"tools": {"listChanged": True}},
                        "serverInfo": {"name": "odd", "version": "1"},
                    },
                }
            )
        elif method == "tools/list":
            at = int(params.get("cursor", "0"))
            page: dict[str, Any] = {"tools": TOOLS[at : at + 5]}
            if at + 5 < len(TOOLS):
                page["nextCursor"] = str(at + 5)
            say({"id": id, "result": page})
        elif method == "tools/call":
            result = called(params["name"], params.get("arguments", {}), id, line)
            if result is not None:
                say({"id": id, "result": result})
        else:
            say({"id": id, "error": {"code": -32601, "message": "no such method"}})


main()
