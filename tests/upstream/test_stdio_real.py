"""Real servers, Python and Node, behind the gate over stdio: as they are when a client talks to them directly."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from stdio_fixture import LEGACY, MODERN, ROOT, Bench, bench_on_a_loop

MODULES = ROOT / "tests/servers/node_modules/@modelcontextprotocol"
TIME = [ROOT / ".venv/bin/mcp-server-time"]
GIT = [ROOT / ".venv/bin/mcp-server-git"]
EVERYTHING: list[str | Path] = ["node", MODULES / "server-everything/dist/index.js", "stdio"]


@pytest.fixture
def bench() -> Iterator[Bench]:
    with bench_on_a_loop() as bench:
        yield bench


@pytest.mark.parametrize("command", [TIME, GIT])
def test_a_server_of_both_eras_serves_callers_of_both(bench: Bench, command: list[Path]) -> None:
    server = bench.upstream(*command)
    modern = bench.request(server, MODERN, "tools/list")
    bench.initialize(server)
    legacy = bench.request(server, LEGACY, "tools/list")
    bench.wait(modern, legacy)
    names = [[tool["name"] for tool in sink.result["tools"]] for sink in (modern, legacy)]
    assert names[0] == names[1] != []
    assert modern.result["resultType"] == "complete"
    assert "resultType" not in legacy.result


def test_the_answers_are_those_of_the_server_alone(bench: Bench) -> None:
    server = bench.upstream(*TIME)
    sent = bench.request(server, MODERN, "tools/list", id="direct")
    bench.wait(sent)
    request = {"jsonrpc": "2.0", "id": "direct", "method": "tools/list"}
    meta: dict[str, object] = {
        "io.modelcontextprotocol/protocolVersion": MODERN.version,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    line = json.dumps({**request, "params": {"_meta": meta}}) + "\n"
    with subprocess.Popen(TIME, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as direct:
        assert direct.stdin is not None
        assert direct.stdout is not None
        direct.stdin.write(line.encode())
        direct.stdin.flush()
        answer = direct.stdout.readline()
    assert sent.raw == [answer.rstrip(b"\n")]


@pytest.mark.parametrize(
    ("package", "arguments"),
    [("server-memory", []), ("server-filesystem", ["/tmp"]), ("server-everything", ["stdio"])],
)
def test_a_node_server_serves_sessions_and_tells_callers_without_one_which_versions_it_speaks(
    bench: Bench, package: str, arguments: list[str], tmp_path: Path
) -> None:
    memory = {"MEMORY_FILE_PATH": str(tmp_path / "memory.jsonl")}
    server = bench.upstream("node", MODULES / package / "dist/index.js", *arguments, env=memory)
    assert bench.initialize(server).messages[-1]["result"]["protocolVersion"] == "2025-11-25"
    bench.wait(listed := bench.request(server, LEGACY, "tools/list"))
    assert listed.messages[-1]["result"]["tools"]
    bench.wait(modern := bench.request(server, MODERN, "tools/list"))
    assert modern.failure is not None
    assert (modern.failure.kind, modern.failure.supported) == ("era", ("2025-11-25",))


def test_sampling_and_progress_of_a_real_server_come_on_the_stream_of_their_call(bench: Bench) -> None:
    server = bench.upstream(*EVERYTHING)
    bench.initialize(server)
    slow = bench.call(
        server, LEGACY, "trigger-long-running-operation", meta={"progressToken": "p"}, duration=0.4, steps=2
    )
    bench.wait(slow)
    told = [
        message["params"]["progressToken"]
        for message in slow.messages
        if "progress" in str(message.get("method"))
    ]
    assert told == ["p", "p"]
    asks = bench.call(server, LEGACY, "trigger-sampling-request", prompt="hello", maxTokens=5)

    def asked() -> list[object]:
        return [m["id"] for m in asks.messages if m.get("method") == "sampling/createMessage"]

    bench.until(lambda: bool(asked()))
    answer = {"role": "assistant", "content": {"type": "text", "text": "SAMPLED"}, "model": "m"}
    bench.wait(bench.send(server, LEGACY, {"id": asked()[0], "result": answer}), asks)
    assert "SAMPLED" in json.dumps(asks.messages[-1]["result"])


def test_a_subscription_of_the_official_sdk_gets_what_it_listens_for(bench: Bench) -> None:
    server = bench.upstream(ROOT / ".venv/bin/python", ROOT / "tests/support/modern_server.py")
    wanted = {"notifications": {"toolsListChanged": True}}
    listens = [bench.request(server, MODERN, "subscriptions/listen", id="same", **wanted) for _ in range(2)]
    bench.until(lambda: all(sink.events for sink in listens))
    bench.wait(bench.call(server, MODERN, "grow"))
    bench.until(lambda: all(len(sink.events) == 2 for sink in listens))
    for sink in listens:
        assert [message["method"] for message in sink.messages] == [
            "notifications/subscriptions/acknowledged",
            "notifications/tools/list_changed",
        ]
        assert {
            message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] for message in sink.messages
        } == {"same"}


def test_a_cancelled_call_of_the_official_sdk_stops(bench: Bench) -> None:
    server = bench.upstream(ROOT / ".venv/bin/python", ROOT / "tests/support/modern_server.py")
    slow = bench.call(server, MODERN, "wait", meta={"progressToken": 1}, steps=100_000)
    bench.until(lambda: bool(slow.events))
    slow.handle.cancel()
    bench.wait(bench.call(server, MODERN, "add", a=1, b=1))
    assert not slow.done
    assert server.in_flight == 0
