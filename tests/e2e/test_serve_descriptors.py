"""Clients that only connect leave the gate the descriptors that it needs to go on."""

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.http_agent import MODERN, Agent, on_loop
from tests.support.lean_process import LeanServer
from tests.support.serve_checks import wait_until
from tests.support.serve_process import ServeProcess

from callgate.http1.contract import Limits
from callgate.serve.descriptors import within


@pytest.mark.parametrize(("files", "most"), [(-1, 20_000), (1 << 20, 20_000), (4096, 1856), (64, 8), (1, 1)])
def test_as_many_connections_are_taken_as_go_with_the_files_that_may_be_open(files: int, most: int) -> None:
    assert within(Limits(), files).max_connections == most
    assert within(Limits(max_connections=1), files).max_connections == 1


def test_idle_connections_do_not_keep_a_changed_policy_from_being_read(tmp_path: Path) -> None:
    limited = ("sh", "-c", 'ulimit -S -n 128; ulimit -H -n 1024; exec "$@"', "-")
    with LeanServer() as lean, ExitStack() as stack:
        servers = {"srv": {"url": lean.url, "policy": "p.yaml"}}
        policies = {"p.yaml": "default: allow\n"}
        settings = {"state": "memory://", "listen": {"limits": {"max_connections": 5000}}}
        gate = stack.enter_context(
            ServeProcess(tmp_path, servers, settings=settings, policies=policies, prefix=limited)
        )
        assert "connections" in gate.stderr
        for _ in range(310):
            stack.enter_context(socket.create_connection(("127.0.0.1", gate.port)))
        gate.write_policy("p.yaml", "default: deny\ntools: {echo: {rules: []}}\n")
        wait_until(lambda: "of srv is in force now" in gate.stderr, "the policy is not read")

        async def main() -> None:
            async with Agent(gate.port, version=MODERN) as agent:
                assert (await agent.call("other", text="x")).denied == "DEN011"
                assert (await agent.call("echo", text="x")).denied is None

        on_loop(main)
        assert gate.stop() == 0
