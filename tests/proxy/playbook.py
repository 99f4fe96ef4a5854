"""Conversations through a session, written as plays: who says what, and what the others then get.

    play("hide: [rm]").handshake()
        .agent_says(call("echo"))          one turn of the agent: judged, recorded, sent
        .server_gets(call("echo"))         exactly this arrived there, nothing else
        .server_says(result(1, {...}))
        .agent_gets(result(1, {...}))
        .audit_holds("allow echo", "ok echo")

The session, the gate and the limit store are the real ones; only time, the disk and the two pipes are played.
Whatever arrives must be claimed before anybody speaks again, so that nothing unexpected passes unseen.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Self

from tests.support.listed_audit import ListedAudit, summaries

from callgate.clock import ManualClock
from callgate.gate.admit import Gate
from callgate.gate.call import Caller
from callgate.policy.compile import Policy, compile_policy
from callgate.policy.load import load_policy
from callgate.proxy.session import Session
from callgate.state.memory import MemoryLedger

Frame = dict[str, Any]
Spoken = Frame | bytes
Expected = Frame | bytes | Callable[[Frame], None]

MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
TOKEN = "7f3c"  # noqa: S105
ALIAS_TOKEN = "b29e"  # noqa: S105


def call(tool: str, arguments: Frame | None = None, id: str | int = 1, **params: Any) -> Frame:
    """A tools/call."""
    return ask("tools/call", {"name": tool, "arguments": arguments or {}, **params}, id)


def modern_call(tool: str, arguments: Frame | None = None, id: str | int = 1, **params: Any) -> Frame:
    """A tools/call that describes itself, as 2026-07-28 wants."""
    return call(tool, arguments, id, _meta=MODERN, **params)


def ask(method: str, params: Frame | None = None, id: str | int = 1) -> Frame:
    """A request, of whichever side."""
    frame: Frame = {"jsonrpc": "2.0", "id": id, "method": method}
    return frame if params is None else {**frame, "params": params}


def note(method: str, params: Frame | None = None) -> Frame:
    """A notification."""
    frame: Frame = {"jsonrpc": "2.0", "method": method}
    return frame if params is None else {**frame, "params": params}


def result(id: str | int, content: Any) -> Frame:
    """An answer."""
    return {"jsonrpc": "2.0", "id": id, "result": content}


def failure(id: str | int | None, code: int, message: str = "no", data: Any = None) -> Frame:
    """An answer that is a JSON-RPC error."""
    error: Frame = {"code": code, "message": message}
    return {"jsonrpc": "2.0", "id": id, "error": error if data is None else {**error, "data": data}}


def tool(name: str, **more: Any) -> Frame:
    """One entry of a list of tools."""
    return {"name": name, "inputSchema": {"type": "object"}, **more}


def listing(id: str | int, tools: Sequence[Frame], **more: Any) -> Frame:
    """The answer to tools/list."""
    return result(id, {"tools": list(tools), **more})


def text(words: str) -> Frame:
    """The result of a tool that said `words`."""
    return {"content": [{"type": "text", "text": words}]}


def denied(
    id: str | int, code: str, *, rule: str | None = None, says: str = "", wait: int | None = None
) -> Callable[[Frame], None]:
    """Expect the refusal of call `id`: readable text, and the same in a form for programs."""

    def check(frame: Frame) -> None:
        assert frame["id"] == id, frame
        content = frame["result"]
        assert content["isError"] is True, frame
        structured = content["structuredContent"]
        (words,) = content["content"]
        assert words["type"] == "text"
        assert words["text"].startswith(f"denied by policy: {structured['reason']}")
        assert structured["code"] == code, frame
        assert rule is None or structured["rule"] == rule, frame
        assert says in words["text"], frame
        assert structured.get("retry_after") == wait, frame
        assert wait is None or f"try again in {wait} s" in words["text"]
        assert set(structured) - {"retry_after"} == {"code", "rule", "reason"}

    return check


def refused(id: str | int | None, rpc_code: int, code: str) -> Callable[[Frame], None]:
    """Expect the gate's own JSON-RPC error with this stable code."""

    def check(frame: Frame) -> None:
        assert frame["id"] == id, frame
        assert frame["error"]["code"] == rpc_code, frame
        assert frame["error"]["data"]["code"] == code, frame
        assert frame["error"]["message"]

    return check


class Playbook:
    """One session, its two partners, and everything that they said and got."""

    def __init__(self, policy: str = "default: deny", *, max_frame: int = 1 << 20) -> None:
        self.clock = ManualClock()
        self.audit = ListedAudit()
        self.ledger = MemoryLedger(self.clock)
        self.log: list[tuple[str, str]] = []
        compiled = compiled_policy(policy)
        self.gate = Gate(compiled, self.ledger, self.audit, Caller("s1", "local:ann", "srv"), self.clock)
        self.session = Session(
            self.gate,
            compiled,
            self.clock,
            lambda level, line: self.log.append((level, line)),
            token=ALIAS_TOKEN + TOKEN,
            max_frame=max_frame,
        )
        self.for_server: list[bytes] = []
        self.for_agent: list[bytes] = []
        self._seen_records = 0

    def agent_says(self, *frames: Spoken) -> Self:
        """One turn in which the agent's `frames` arrive together."""
        self._all_claimed()
        self.session.gate.begin_turn()
        for frame in frames:
            self.session.agent_line(encoded(frame))
        return self.turn()

    def server_says(self, *frames: Spoken) -> Self:
        """One turn in which the server's `frames` arrive together."""
        self._all_claimed()
        self.session.gate.begin_turn()
        for frame in frames:
            self.session.server_line(encoded(frame))
        return self.turn()

    def turn(self) -> Self:
        """End a turn as the relay does: record, then send."""
        if self.session.gate.must_commit:
            self.session.commit()
        self.for_server += self.session.take_for_server()
        self.for_agent += self.session.take_for_agent()
        return self

    def pass_time(self, seconds: float) -> Self:
        """Let time pass, and what is due happen."""
        self._all_claimed()
        self.clock.advance(seconds)
        self.session.gate.begin_turn()
        self.session.tick()
        return self.turn()

    def server_ends(self, why: str = "the server ended: exit status 1") -> Self:
        """The server's process is gone."""
        self._all_claimed()
        self.session.server_gone(why)
        return self.turn()

    def policy_becomes(self, policy: str) -> Self:
        """The policy file was edited well."""
        self._all_claimed()
        self.session.replace_policy(compiled_policy(policy))
        return self.turn()

    def server_gets(self, *expected: Expected) -> Self:
        """Claim everything that went to the server since the last claim."""
        arrived, self.for_server = self.for_server, []
        compare("server", arrived, expected)
        return self

    def agent_gets(self, *expected: Expected) -> Self:
        """Claim everything that went to the agent since the last claim."""
        arrived, self.for_agent = self.for_agent, []
        compare("agent", arrived, expected)
        return self

    def taken_by_server(self) -> list[Frame]:
        """Claim what went to the server and return it, for tests that must look inside."""
        arrived, self.for_server = self.for_server, []
        return [json.loads(line) for line in arrived]

    def taken_by_agent(self) -> list[Frame]:
        """Claim what went to the agent and return it."""
        arrived, self.for_agent = self.for_agent, []
        return [json.loads(line) for line in arrived]

    def audit_holds(self, *expected: str) -> Self:
        """Claim every record since the last claim: `allow echo`, `deny rm DEN001`, `ok echo`, `event NAME CODE`."""
        self.session.commit()
        fresh = self.audit.records[self._seen_records :]
        self._seen_records = len(self.audit.records)
        assert summaries(self.audit.records, fresh) == list(expected)
        return self

    def handshake(self) -> Self:
        """The legacy era's opening."""
        opening = ask("initialize", {"protocolVersion": "2025-11-25"}, "hello")
        self.agent_says(opening).server_gets(opening)
        answer = result("hello", {"protocolVersion": "2025-11-25", "capabilities": {}})
        self.server_says(answer).agent_gets(answer)
        done = note("notifications/initialized")
        return self.agent_says(done).server_gets(done)

    def listed(self, *tools: Frame) -> Self:
        """The agent asks for the tools and the server answers with these; what passed is not looked at."""
        self.agent_says(ask("tools/list", {}, "list")).taken_by_server()
        self.server_says(listing("list", tools)).taken_by_agent()
        return self

    def ends(self) -> None:
        """Nothing may have arrived that nobody spoke of."""
        self._all_claimed()

    def _all_claimed(self) -> None:
        assert not self.for_server, f"the server also got {self.for_server}"
        assert not self.for_agent, f"the agent also got {self.for_agent}"


def compiled_policy(policy: str) -> Policy:
    """A policy from its text."""
    return compile_policy(load_policy(policy.encode(), "policy.yaml"))


def encoded(frame: Spoken) -> bytes:
    """A frame as its line."""
    return frame if isinstance(frame, bytes) else json.dumps(frame, separators=(",", ":")).encode()


def compare(who: str, arrived: Sequence[bytes], expected: Sequence[Expected]) -> None:
    """Hold what arrived against what the play says: bytes to the byte, frames by value, checks by calling them."""
    shown = "\n".join(line.decode(errors="replace") for line in arrived) or "nothing"
    assert len(arrived) == len(expected), f"the {who} got {shown}"
    for line, wanted in zip(arrived, expected, strict=True):
        if isinstance(wanted, bytes):
            assert line == wanted
        elif callable(wanted):
            wanted(json.loads(line))
        else:
            assert json.loads(line) == wanted, f"the {who} got {shown}"
