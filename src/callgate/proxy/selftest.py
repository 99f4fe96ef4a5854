"""Prove that the gate denies before saying that it does.

A call of a tool that the policy in force must deny (its name is made up at every start) is written into a real
relay over real pipes, with the real policy, limit store and audit. It must be answered with that denial, and not a
byte may come out on the server's side. If anything else happens the gate does not run.
"""

import os

import msgspec

from callgate import denial_codes as code
from callgate.clock import Clock
from callgate.decision import Effect, Request
from callgate.diagnostics import Source
from callgate.errors import CallgateError
from callgate.gate.admit import Gate
from callgate.policy.compile import Policy, compile_policy
from callgate.policy.model import Document, Rule, Tool
from callgate.proxy.relay import Relay
from callgate.proxy.session import Session

_REASON = "this call tests the gate"


def with_canary(document: Document, canary: str) -> Policy:
    """Compile `document` together with a rule that denies the tool `canary`."""
    place = Source("self-test", 1, 1)
    rule = Rule(source=place, name="self-test", action="deny", reason=_REASON)
    tools = (*document.tools, Tool(pattern=canary, source=place, rules=(rule,)))
    # Hidden, it would be answered as unknown; nobody can guess its name.
    return compile_policy(msgspec.structs.replace(document, tools=tools), shown=canary)


def refuses(policy: Policy, canary: str) -> bool:
    """Whether `policy` denies the canary, by its own rule: the part of the test that fits a reload."""
    decision = policy.decide(Request(canary, {}))
    return decision.effect is Effect.DENY and any(
        reason.code == code.RULE_DENIES for reason in decision.reasons
    )


def self_test(gate: Gate, policy: Policy, clock: Clock, canary: str) -> None:
    """Send the canary through a whole relay. Raises CallgateError (SELF001) unless it is denied and held back."""
    agent_in, agent_w = os.pipe()
    agent_r, agent_out = os.pipe()
    server_r, server_in = os.pipe()
    server_out, server_w = os.pipe()
    fds = [agent_in, agent_w, agent_r, agent_out, server_r, server_in, server_out, server_w]
    try:
        for fd in (agent_r, server_r):
            os.set_blocking(fd, False)
        session = Session(
            gate, policy, clock, lambda _level, _line: None, token=os.urandom(16).hex(), max_frame=4096
        )
        relay = Relay(
            session,
            clock,
            agent_in=agent_in,
            agent_out=agent_out,
            server_in=server_in,
            server_out=server_out,
            max_agent_frame=4096,
            max_server_frame=4096,
        )
        call = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": canary, "arguments": {}},
        }
        os.write(agent_w, msgspec.json.encode(call) + b"\n")
        relay.turn(0)
        session.commit()
        answer, forwarded = _read(agent_r), _read(server_r)
    finally:
        for fd in fds:
            os.close(fd)
    if forwarded or not _is_denial(answer):
        raise CallgateError(
            "SELF001",
            "the self-test failed: a call that must be denied was not",
            "do not use this installation; reinstall it, and report this if it happens again",
        )


def _is_denial(answer: bytes) -> bool:
    try:
        message = msgspec.json.decode(answer)
        result = message["result"]
        return (
            message["id"] == 1
            and result["isError"] is True
            and result["structuredContent"]["reason"] == _REASON
        )
    except (msgspec.DecodeError, KeyError, TypeError):
        return False


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except BlockingIOError:
        return b""
