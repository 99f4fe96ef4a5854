"""Puts the parts of `callgate run --upstream` together: an agent on stdio, a server over HTTP."""

import gc
from typing import Any

import uvloop
from msgspec import Struct

from callgate.agent_gate import MAX_AGENT_FRAME, MAX_SERVER_FRAME, AgentGate, GateOptions
from callgate.config.model import Secret, ServerConfig
from callgate.http1.origin import read_url
from callgate.policyloader import PolicyLoad
from callgate.proxy.state import MAX_IN_FLIGHT, Log
from callgate.remote.shell import Shell
from callgate.text import escape
from callgate.transports.outbox import nonblocking_output
from callgate.upstream.http import HttpUpstream


class RemoteOptions(Struct, frozen=True):
    """What `callgate run --upstream` was told: how to guard, and how to reach the server. Times in seconds."""

    gate: GateOptions
    url: str
    headers: dict[str, str | Secret]
    ca_file: str | None = None
    timeout: float = 300.0


def guard_remote(load: PolicyLoad, options: RemoteOptions, log: Log) -> int:
    """Guard one server over HTTP until the agent ends the connection. Returns the exit status.

    Raises CallgateError before a frame is read: the policy, the state, the audit, the self-test, the URL or a secret is
    at fault. Whether the server can be reached shows when the agent first speaks: until then nothing is sent.
    """
    gate = AgentGate(load, options.gate, log)
    config = ServerConfig(
        name=gate.caller.server,
        policy=options.gate.policy,
        url=options.url,
        headers=options.headers,
        ca_file=options.ca_file,
        timeout=options.timeout,
        max_request=2 * MAX_AGENT_FRAME,
        max_response=MAX_SERVER_FRAME,
        # The session's own bound tells the agent of it.
        max_in_flight=2 * MAX_IN_FLIGHT,
    )
    loop = uvloop.new_event_loop()
    loop.set_exception_handler(lambda _, context: _told(context, log))
    try:
        upstream = HttpUpstream(config, loop, gate.clock)
        gate.announce("http")
        shell = Shell(
            gate.session(),
            upstream,
            loop,
            log,
            called=_called(config.name, options.url),
            agent_in=0,
            agent_out=nonblocking_output(1),
            max_frame=MAX_AGENT_FRAME,
            watch=gate.watch(),
            reload=gate.reload(),
        )
        gc.freeze()
        loop.run_until_complete(shell.run())
    finally:
        loop.close()
        gate.close()
    return 0


def _called(name: str, url: str) -> str:
    """The name, and the address without its query, in which credentials may stand."""
    origin, target = read_url(url)
    path = target.partition("?")[0]
    return escape(f"{name} ({origin.scheme}://{origin.authority}{path})")


def _told(context: dict[str, Any], log: Log) -> None:
    """A callback raised: a defect, of which only what belongs to it is lost."""
    error = context.get("exception")
    name = context["message"] if error is None else f"{type(error).__name__}: {error}"
    log("error", f"[BUG001] this should not have happened: {escape(name)}")
