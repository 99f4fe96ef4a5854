"""A server that does what its calls tell it to: puppet_server.py legacy|modern|mute

tools/call: `say` writes the strings in `lines` as they are, one a line, with @ID@ and @TOKEN@ as this call has them,
then `said` to its stderr; `hold` is never answered; `seen` answers with every message received so far; `exit` ends it
with a status; `deaf` closes its input; `sleep` reads nothing any more; anything else is answered with the message.
SIGUSR1 makes it report progress for the token `t`.
"""

import json
import os
import signal
import sys
import time
from typing import Any

ERA = sys.argv[1]
seen: list[dict[str, Any]] = []


def write(text: str) -> None:
    data = text.encode() + b"\n"
    while data:
        data = data[os.write(1, data) :]


def answer(message: dict[str, Any], result: dict[str, Any]) -> None:
    if ERA == "modern":
        result = {"resultType": "complete", **result}
    write(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}))


def call(message: dict[str, Any]) -> None:
    name, arguments = message["params"]["name"], message["params"].get("arguments", {})
    meta = message["params"].get("_meta", {})
    if name == "say":
        for line in arguments["lines"]:
            line = line.replace("@ID@", json.dumps(message["id"]))
            write(line.replace("@TOKEN@", json.dumps(meta.get("progressToken"))))
        print("said", file=sys.stderr, flush=True)
    elif name == "seen":
        answer(message, {"seen": seen})
    elif name == "exit":
        sys.exit(arguments["status"])
    elif name == "deaf":
        os.close(0)
        answer(message, {})
        time.sleep(60)
    elif name == "sleep":
        answer(message, {"pid": os.getpid(), "keeper": os.getppid()})
        time.sleep(60)
    elif name != "hold":
        answer(message, {"got": message, "pid": os.getpid(), "keeper": os.getppid()})


def chat(*_: object) -> None:
    told = {"method": "notifications/progress", "params": {"progressToken": "t", "progress": len(seen)}}
    write(json.dumps({"jsonrpc": "2.0", **told}))
    print("chatted", file=sys.stderr, flush=True)


signal.signal(signal.SIGUSR1, chat)
for line in sys.stdin.buffer:
    message = json.loads(line)
    seen.append(message)
    method = message.get("method")
    if method is None or "id" not in message or ERA == "mute":
        continue
    if method == "initialize" and ERA == "legacy":
        info = {"name": "puppet", "version": "1"}
        version = message["params"]["protocolVersion"]
        answer(message, {"protocolVersion": version, "capabilities": {}, "serverInfo": info})
    elif method == "server/discover" and ERA == "modern":
        answer(message, {"supportedVersions": ["2026-07-28"], "capabilities": {}})
    elif method == "tools/call":
        call(message)
    elif method == "subscriptions/listen":
        meta = {"io.modelcontextprotocol/subscriptionId": message["id"]}
        told = {"method": "notifications/subscriptions/acknowledged", "params": {"_meta": meta}}
        write(json.dumps({"jsonrpc": "2.0", **told}))
    else:
        write(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "no"}}))
