"""A server over stdio, of both eras, that tells what it was told of its caller: any tool answers with the variables."""

import json
import os
import sys
from typing import Any

NAMES = ("CALLGATE_IDENTITY", "CALLGATE_SESSION", "FROM_OUTSIDE", "HOME")


def result(message: dict[str, Any]) -> dict[str, Any]:
    """What is answered to a request."""
    method = message["method"]
    if method == "initialize":
        info = {"name": "telling", "version": "1"}
        version = message["params"]["protocolVersion"]
        return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
    if method == "server/discover":
        return {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
    if method == "tools/list":
        return {
            "tools": [{"name": "who", "inputSchema": {"type": "object"}}],
            "ttlMs": 0,
            "cacheScope": "private",
        }
    told = {name: os.environ[name] for name in NAMES if name in os.environ}
    return {"content": [{"type": "text", "text": json.dumps(told)}], "structuredContent": told}


for line in sys.stdin.buffer:
    message = json.loads(line)
    if "id" in message and "method" in message:
        answer = {"resultType": "complete", **result(message)}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer}) + "\n")
        sys.stdout.flush()
