"""The runner over stdio: a conversation of either era, from a process that says nothing else on stdout."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from runner_programs import PATIENCE_SECONDS, PROGRAM, content
from server_calls import MODES, run
from tests.support.raw_agent import LEGACY, META

from callgate.errors import UsageError
from callgate.identity import local_identity
from callgate.runner.server.owner import stdio_caller


class Conversation:
    """Frames to and from a runner over stdio."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._id = 0

    def send(self, frame: dict[str, Any] | bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write((frame if isinstance(frame, bytes) else json.dumps(frame).encode()) + b"\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        frame: dict[str, Any] = json.loads(self.process.stdout.readline())
        return frame

    def request(self, method: str, **params: Any) -> None:
        self._id += 1
        self.send({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})

    def call(self, tool: str, **arguments: Any) -> None:
        """A call of the modern era."""
        self.request("tools/call", name=tool, arguments=arguments, _meta=META)

    def told(self, tool: str, **arguments: Any) -> dict[str, Any]:
        self.call(tool, **arguments)
        return content(self.hear())

    def finish(self) -> tuple[int, str]:
        """Wait for its end; the exit status and the states of its executions."""
        _, errors = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, errors.decode()


@contextmanager
def conversation(**environment: str) -> Iterator[Conversation]:
    process = subprocess.Popen(
        [*PROGRAM, "stdio"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )
    with process:
        try:
            yield Conversation(process)
        finally:
            process.kill()


@pytest.mark.parametrize("mode", [*MODES, "auto"])
def test_an_agent_starts_code_and_follows_it_over_stdio(mode: str) -> None:
    async def main() -> None:
        server = StdioServerParameters(command=sys.executable, args=[*PROGRAM[1:], "stdio"])
        async with Client(server, mode=mode) as client:
            result = await client.call_tool("executeCode", {"script": "return 5"})
            assert (result.structured_content or {})["results"] == {"value": "5"}
            result = await client.call_tool("asyncExecuteCode", {"script": "wait"})
            assert (result.structured_content or {})["status"] == "pending"
            result = await client.call_tool("listCodeExecutions", {})
            assert len((result.structured_content or {})["executions"]) == 2

    run(main)


def test_at_the_end_of_its_input_it_ends_and_only_who_waited_is_cancelled() -> None:
    with conversation() as it:
        it.told("asyncExecuteCode", script="wait")
        it.call("executeCode", script="wait")
        assert len(it.told("listCodeExecutions")["executions"]) == 2
        assert it.finish() == (0, "queued cancelled\n")


def test_told_to_end_it_does_so_though_its_input_stays_open() -> None:
    with conversation() as it:
        it.told("asyncExecuteCode", script="wait")
        it.call("executeCode", script="linger")
        assert len(it.told("listCodeExecutions")["executions"]) == 2
        it.process.send_signal(signal.SIGTERM)
        assert content(it.hear())["status"] == "completed"
        assert it.process.wait(PATIENCE_SECONDS) == 0


def test_a_call_taken_back_cancels_its_execution_and_is_not_answered() -> None:
    with conversation() as it:
        params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
        it.request("initialize", **params)
        assert it.hear()["result"]["serverInfo"]["name"] == "callgate-runner"
        it.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        it.request("tools/call", name="executeCode", arguments={"script": "wait"})
        it.request("tools/call", name="listCodeExecutions", arguments={})
        (one,) = content(it.hear())["executions"]
        it.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}})
        it.request(
            "tools/call", name="checkCodeExecStatus", arguments={"execution_uuid": one["execution_uuid"]}
        )
        answer = it.hear()
        assert (answer["id"], content(answer)["status"]) == (4, "cancelled")


def test_what_is_no_frame_is_passed_over() -> None:
    with conversation() as it:
        for odd in (b"not json", b"[1, 2]", b"\xff\xfe", b'{"jsonrpc": "2.0"}', b""):
            it.send(odd)
        assert it.told("executeCode", script="return 5")["status"] == "completed"
        assert it.finish()[0] == 0


def test_a_frame_without_end_ends_the_conversation() -> None:
    with conversation() as it:
        with pytest.raises(BrokenPipeError):
            it.send(b"x" * (64 << 20))
        status, errors = it.finish()
        assert status == 0
        assert "RUN014" in errors


def test_the_gate_that_started_it_says_for_whom() -> None:
    caller = stdio_caller({"CALLGATE_IDENTITY": "key:ann", "CALLGATE_SESSION": "s1"})
    assert (caller.owner.identity, caller.owner.limit_session, caller.shared) == ("key:ann", "s1", False)
    alone = stdio_caller({})
    assert alone.owner.identity == local_identity()
    assert alone.owner.limit_session != stdio_caller({}).owner.limit_session
    for odd in ("", "a\x1fb", "x" * 513):
        with pytest.raises(UsageError) as caught:
            stdio_caller({"CALLGATE_IDENTITY": odd})
        assert caught.value.code == "RUN012"


def test_its_input_is_kept_from_others_meanwhile_and_stays_open_until_the_process_ends() -> None:
    """A gate takes a server that closes its input for one that must be ended."""
    script = """
import asyncio, os
from callgate.runner.server.standard_input import standard_input
async def main():
    own = os.fstat(0)
    async with standard_input():
        print(os.path.samestat(os.fstat(0), os.stat(os.devnull)))
    print(os.path.samestat(os.fstat(0), own))
asyncio.run(main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read().split() == ["True", "True"]
