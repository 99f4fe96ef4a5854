"""Puts the parts of a gate over stdio together. The only module that knows them all."""

import gc
from collections.abc import Sequence

from msgspec import Struct

from callgate.agent_gate import MAX_AGENT_FRAME, MAX_SERVER_FRAME, AgentGate, GateOptions
from callgate.policyloader import PolicyLoad
from callgate.proxy.relay import Relay
from callgate.proxy.state import Log
from callgate.proxy.supervise import Supervisor
from callgate.transports.keeper import KeeperPipes
from callgate.transports.outbox import nonblocking_output
from callgate.transports.server_process import ServerProcess


class RunOptions(Struct, frozen=True):
    """What `callgate run` was told: how to guard, and the command of the server."""

    gate: GateOptions
    command: Sequence[str]


def guard(pipes: KeeperPipes, load: PolicyLoad, options: RunOptions, log: Log) -> int:
    """Guard one server over stdio until it ends. Returns its wait status.

    `load` is the policy file's reading, under way since before this module was imported. Raises CallgateError
    before the server is started: the policy, the state, the audit or the self-test is at fault.
    """
    gate = AgentGate(load, options.gate, log)
    server = ServerProcess(pipes, options.command)
    server.start()
    gate.announce("stdio")
    relay = Relay(
        gate.session(),
        gate.clock,
        agent_in=0,
        agent_out=nonblocking_output(1),
        server_in=server.server_in,
        server_out=server.server_out,
        max_agent_frame=MAX_AGENT_FRAME,
        max_server_frame=MAX_SERVER_FRAME,
        watch=gate.watch(),
        reload=gate.reload(),
    )
    # What is alive now stays alive: the collector need not look at it again.
    gc.freeze()
    try:
        return Supervisor(relay, server, gate.clock, log).run()
    finally:
        server.close()
        gate.close()
