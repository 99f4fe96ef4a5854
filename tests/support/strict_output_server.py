"""A server whose tools promise structured content of a certain shape, and keep the promise.

strict_output_server.py
"""

import json
import sys
from typing import Any

NUMBER = {"n": {"type": "integer"}}
TOOLS = {
    "open": {"type": "object", "properties": NUMBER, "required": ["n"]},
    "closed": {"type": "object", "properties": NUMBER, "required": ["n"], "additionalProperties": False},
    "code": {"type": "object", "properties": {"code": {"type": "integer"}}, "required": ["code"]},
}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    if method == "initialize":
        info = {"name": "strict", "version": "1"}
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": info,
        }
    if method == "tools/list":
        takes = {"type": "object"}
        return {
            "tools": [
                {"name": name, "inputSchema": takes, "outputSchema": gives} for name, gives in TOOLS.items()
            ]
        }
    if method == "tools/call":
        content = {"code": 1} if params["name"] == "code" else {"n": 1}
        return {"content": [{"type": "text", "text": "1"}], "structuredContent": content}
    return {}


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message and "method" in message:
        result = answer(message["method"], message.get("params", {}))
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
