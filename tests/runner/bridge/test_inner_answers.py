"""What real servers answer, as scripts get it."""

import os
import subprocess
from pathlib import Path

import pytest
from bridge_bench import ALLOW, MODERN, ODD, Folder, opened, run
from tests.support.http_servers import sdk_server
from tests.support.real_traffic import npm_server, pypi_server

from callgate.transports.spawner import Spawner


def test_a_script_works_through_the_filesystem_server(folder: Folder, spawner: Spawner) -> None:
    folder.write(fs={"command": npm_server("filesystem", str(folder.path))})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            path = str(folder.path / "note.txt")
            await bench.value("mcp_fs_write_file", {"path": path, "content": "hello"})
            assert Path(path).read_text() == "hello"
            assert await bench.value("mcp_fs_read_text_file", {"path": path}) == {"content": "hello"}
            refused = await bench.failure("mcp_fs_read_text_file", {"path": "/etc/passwd"})
            assert refused.kind == "tool_error"
            assert "outside" in refused.message

    run(work())


def test_a_script_works_through_the_servers_for_git_and_time(folder: Folder, spawner: Spawner) -> None:
    subprocess.run(["git", "init", "-q", str(folder.path / "repository")], check=True)
    folder.write(git={"command": pypi_server("git")}, time={"command": pypi_server("time")})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            assert await bench.bridge.warm(["git", "time"]) == {}
            status = await bench.value("mcp_git_git_status", {"repo_path": str(folder.path / "repository")})
            assert "No commits yet" in str(status)
            now = await bench.value("mcp_time_get_current_time", {"timezone": "UTC"})
            assert now["timezone"] == "UTC"

    run(work())


@pytest.mark.parametrize("way", ["stdio", "http", "http-json"])
def test_structured_content_is_the_value_in_the_modern_era(
    folder: Folder, spawner: Spawner, way: str
) -> None:
    if way == "stdio":
        folder.write(s={"command": MODERN})
        run(_adds(folder, spawner))
        return
    with sdk_server(*(["--json"] if way == "http-json" else [])) as url:
        folder.write(s={"url": url})
        run(_adds(folder, spawner))


async def _adds(folder: Folder, spawner: Spawner) -> None:
    async with opened(folder, spawner) as bench:
        assert await bench.value("mcp_s_add", {"a": 1, "b": 2}) == {"result": 3}
        asked = await bench.failure("mcp_s_greet", {"greeting": "hi"})
        assert (asked.kind, asked.code, asked.ran) == ("failed", "RUN080", True)
        task = await bench.failure("mcp_s_count")
        assert (task.kind, task.ran) == ("failed", True)
        wrong = await bench.failure("mcp_s_add", {"a": "x", "b": 2})
        assert wrong.kind == "tool_error"
    statuses = [record["status"] for record in folder.calls("outcome")]
    assert statuses == ["ok", "rpc_error", "unknown", "tool_error"]


def test_text_is_the_value_if_it_is_the_only_block_and_decoded_if_it_is_json(
    folder: Folder, spawner: Spawner
) -> None:
    folder.write(odd={"command": ODD})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            assert await bench.value("mcp_odd_again") == "done"
            assert await bench.value("mcp_odd_remember", {"text": "x"}) == 1
            blocks = await bench.value("mcp_odd_echo", {"n": 1})
            assert [block["type"] for block in blocks] == ["text", "text"]

    run(work())


def test_an_answer_that_breaks_the_tools_own_output_schema_is_not_lost(
    folder: Folder, spawner: Spawner
) -> None:
    folder.write(odd={"command": ODD})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            assert await bench.value("mcp_odd_odd") == {"m": 1}

    run(work())


CASES = {
    "nothing that can be read": ('{"jsonrpc":"2.0","id":ID,"result":7}', "failed"),
    "not JSON-RPC": ('{"jsonrpc":"1.0","id":ID,"result":{}}', "failed"),
    "no number": (
        '{"jsonrpc":"2.0","id":ID,"result":{"content":[],"structuredContent":{"x":NaN}}}',
        "failed",
    ),
    "infinite": (
        '{"jsonrpc":"2.0","id":ID,"result":{"content":[],"structuredContent":{"x":1e999}}}',
        "failed",
    ),
    "too deep": (
        '{"jsonrpc":"2.0","id":ID,"result":{"content":[],"structuredContent":{"x":'
        + "[" * 150
        + "]" * 150
        + "}}}",
        "failed",
    ),
    "far too deep": (
        '{"jsonrpc":"2.0","id":ID,"result":{"content":[],"structuredContent":{"x":'
        + "[" * 100_000
        + "]" * 100_000
        + "}}}",
        "failed",
    ),
    "half a pair of surrogates": (
        '{"jsonrpc":"2.0","id":ID,"result":{"content":[],"structuredContent":{"x":"\\ud800"}}}',
        "failed",
    ),
    "an error": ('{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"no\\u001b[31m"}}', "failed"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_answer_is_a_failure_and_the_next_call_works(
    folder: Folder, spawner: Spawner, case: str
) -> None:
    line, kind = CASES[case]
    folder.write(odd={"command": ODD})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            failure = await bench.failure("mcp_odd_raw", {"line": line})
            assert (failure.kind, failure.ran) == (kind, True)
            assert failure.message.isprintable()
            assert await bench.value("mcp_odd_again") == "done"

    run(work())


def test_an_answer_larger_than_the_bound_is_a_failure(folder: Folder, spawner: Spawner) -> None:
    folder.write(odd={"command": ODD, "max_response": "64KiB"})
    big = '{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"' + "x" * 100_000 + '"}]}}'

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            failure = await bench.failure("mcp_odd_raw", {"line": big})
            assert failure.ran
            assert "at most 65536" in failure.message

    run(work())


def test_a_server_that_does_not_answer_in_time_is_a_failure_that_may_have_run(
    folder: Folder, spawner: Spawner
) -> None:
    folder.write(odd={"command": ODD, "timeout": "1s"})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            failure = await bench.failure("mcp_odd_hang")
            assert (failure.kind, failure.code, failure.ran) == ("failed", "UPS042", True)
            assert await bench.value("mcp_odd_again") == "done"

    run(work())
    assert folder.calls("outcome")[0]["status"] == "unknown"


def test_children_see_the_minimal_environment_and_that_a_runner_started_them(
    folder: Folder, spawner: Spawner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATE_SECRET", "s3cret-of-the-gate")
    monkeypatch.setenv("SERVER_TOKEN", "s3cret-of-the-server")
    folder.write(odd={"command": ODD, "env": {"TOKEN": {"env": "SERVER_TOKEN"}}}, policy=ALLOW)

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            seen = await bench.value("mcp_odd_environment")
            assert seen["CALLGATE_RUNNER"] == "1"
            assert seen["TOKEN"] == os.environ["SERVER_TOKEN"]
            assert "GATE_SECRET" not in seen

    run(work())
