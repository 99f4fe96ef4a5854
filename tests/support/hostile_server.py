"""A server that misbehaves in the one way it is told: hostile_server.py BEHAVIOUR [LOG]

Besides, it answers `initialize`, `tools/list` and `tools/call` as servers do, and appends the params of every call
that it runs to LOG. Each behaviour is a function below that is asked about every message first; what it returns is
written instead of the ordinary answer.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"text": {"type": "string", "maxLength": 5}},
    "required": ["text"],
}
Message = dict[str, Any]
Behaviour = Callable[[Message], bytes | None]


def write(data: bytes) -> None:
    """Write all of it, at once."""
    while data:
        data = data[os.write(1, data) :]


def frame(id: object, result: object) -> bytes:
    """A response."""
    return json.dumps({"jsonrpc": "2.0", "id": id, "result": result}).encode() + b"\n"


def text(content: object) -> Message:
    """The result of a tool."""
    return {"content": [{"type": "text", "text": str(content)}]}


def ordinary(message: Message) -> bytes:
    """What a server in order answers."""
    method, params = message.get("method"), message.get("params") or {}
    if "id" not in message or method is None:
        return b""
    if method == "initialize":
        info = {"name": "hostile", "version": "1"}
        capabilities = {"tools": {"listChanged": True}}
        version = params.get("protocolVersion")
        return frame(
            message["id"], {"protocolVersion": version, "capabilities": capabilities, "serverInfo": info}
        )
    if method == "tools/list":
        return frame(message["id"], {"tools": [{"name": "echo", "inputSchema": SCHEMA}]})
    if method == "tools/call":
        return frame(message["id"], text(params["name"]))
    return frame(message["id"], {})


def called(message: Message) -> bool:
    return message.get("method") == "tools/call"


def listing(tools: object) -> Behaviour:
    """Answer every tools/list with `tools`."""

    def behaviour(message: Message) -> bytes | None:
        return frame(message["id"], {"tools": tools}) if message.get("method") == "tools/list" else None

    return behaviour


def schema(value: object) -> Behaviour:
    return listing([{"name": "echo", "inputSchema": value}])


def answers_twice(message: Message) -> bytes | None:
    return ordinary(message) * 2 if called(message) else None


def answers_unknown_ids(message: Message) -> bytes | None:
    strange = [frame(id, text("nobody asked")) for id in ("never asked", 999_999, None, -1)]
    return b"".join(strange) + ordinary(message) if called(message) else None


def answers_under_other_types(message: Message) -> bytes | None:
    if not called(message):
        return None
    id = message["id"]
    strange = [frame(other, text("odd")) for other in (str(id), float(id), [id], {"id": id}, True)]
    return b"".join(strange) + ordinary(message)


def carriage_returns(message: Message) -> bytes | None:
    if not called(message):
        return None
    hidden = b'{"jsonrpc":"2.0","id":"hidden","method":"sampling/createMessage","params":{}}'
    return (
        b'{"jsonrpc":"2.0","id":%b,"result":\r{"content":[],"x":\r' % json.dumps(message["id"]).encode()
        + hidden
        + b"\r}\r}\r\n"
    )


def smuggles_events(message: Message) -> bytes | None:
    """Text and white space that spell server-sent events."""
    if not called(message):
        return None
    note = {"jsonrpc": "2.0", "method": "notifications/smuggled"}
    words = f"x\n\ndata: {json.dumps(note)}\n\nevent: smuggled\r\rdata: {json.dumps(note)}\r\r"
    answer = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": text(words)}, ensure_ascii=False)
    return answer.replace('"result":', '"result":\r\r').encode() + b"\n"


def garbage(message: Message) -> bytes | None:
    noise = [b"Starting server...", b"\xff\xfe\x00", b"{", b"[]", b"null", b'"', b'{"jsonrpc":"2.0"}']
    noise += [b'{"id":1,"id":2,"result":{}}', b"[" * 5000, b'{"id":5,"method":5}']
    return b"\n".join(noise) + b"\n" + ordinary(message) if called(message) else None


def endless_list(message: Message) -> bytes | None:
    if message.get("method") != "tools/list":
        return None
    page = int((message.get("params") or {}).get("cursor", 0)) + 1
    tool = {"name": f"tool-{page}", "description": "x" * (1 << 20)}
    return frame(message["id"], {"tools": [tool], "nextCursor": str(page)})


def never_lists(message: Message) -> bytes | None:
    return b"" if message.get("method") == "tools/list" else None


def storm(message: Message) -> bytes | None:
    changed = b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n'
    return changed * 500 + ordinary(message) if "id" in message else None


def huge_line(message: Message) -> bytes | None:
    if not called(message):
        return None
    write(b'{"jsonrpc":"2.0","result":{"content":[{"type":"text","text":"')
    for _ in range(70):
        write(b"a" * (1 << 20))
    return b'"}]},"id":%b}\n' % json.dumps(message["id"]).encode()


def closes_stdout(message: Message) -> bytes | None:
    if called(message):
        os.close(1)
        time.sleep(60)
    return None


def closes_stdin(message: Message) -> bytes | None:
    if called(message):
        answer = ordinary(message)
        os.close(0)
        write(answer)
        time.sleep(60)
    return None


def exits(message: Message) -> bytes | None:
    if called(message):
        sys.exit(7)
    return None


def no_newline(message: Message) -> bytes | None:
    if called(message):
        write(ordinary(message)[:-1])
        sys.exit(0)
    return None


def floods(message: Message) -> bytes | None:
    if called(message):
        line = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"%b"}}\n' % (b"x" * 900)
        while True:
            write(line * 64)
    return None


def never_reads(message: Message) -> bytes | None:
    if called(message):
        time.sleep(60)
    return None


RECURSIVE = {"$ref": "#", "properties": {"text": {"$ref": "#/properties/text"}}}
CATASTROPHIC = {"type": "object", "properties": {"text": {"type": "string", "pattern": "^(a+)+$"}}}
REMOTE = {"$ref": "http://127.0.0.1:9/schema.json"}
GIANT = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(50_000)}}
DEEP: dict[str, Any] = {"type": "object"}
for _ in range(400):
    DEEP = {"allOf": [DEEP, {"type": "object"}]}

BEHAVIOURS: dict[str, Behaviour] = {
    "ordinary": lambda _: None,
    "answers_twice": answers_twice,
    "answers_unknown_ids": answers_unknown_ids,
    "answers_under_other_types": answers_under_other_types,
    "duplicate_tools": listing([{"name": "echo"}, {"name": "echo", "inputSchema": SCHEMA}]),
    "no_list": listing("echo"),
    "odd_tools": listing([None, 7, {"name": 7}, {"inputSchema": SCHEMA}, {"name": "echo", "NAME": "x"}]),
    "many_tools": listing([{"name": f"tool-{n}", "inputSchema": SCHEMA} for n in range(20_000)]),
    "giant_schema": schema(GIANT),
    "deep_schema": schema(DEEP),
    "recursive_schema": schema(RECURSIVE),
    "catastrophic_schema": schema(CATASTROPHIC),
    "remote_schema": schema(REMOTE),
    "schema_is_a_list": schema([1]),
    "carriage_returns": carriage_returns,
    "garbage": garbage,
    "smuggles_events": smuggles_events,
    "endless_list": endless_list,
    "never_lists": never_lists,
    "storm": storm,
    "huge_line": huge_line,
    "closes_stdout": closes_stdout,
    "closes_stdin": closes_stdin,
    "exits": exits,
    "no_newline": no_newline,
    "floods": floods,
    "never_reads": never_reads,
}


def main() -> None:
    name = sys.argv[1]
    if name == "exits_at_once":
        sys.exit(7)
    if name == "writes_first":
        write(b'{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"hello"}}\n' * 3)
        write(b'{"jsonrpc":"2.0","id":1,"method":"roots/list"}\n' + frame(1, text("too early")))
    behaviour = BEHAVIOURS.get(name, BEHAVIOURS["ordinary"])
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if called(message) and len(sys.argv) > 2:
            with open(sys.argv[2], "a") as log:
                log.write(json.dumps(message["params"]) + "\n")
        answer = behaviour(message)
        write(ordinary(message) if answer is None else answer)


main()
