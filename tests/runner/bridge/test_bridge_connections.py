"""Connections of the bridge: whose they are, how long they last, and that nothing outlives its worker."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bridge_bench import ALICE, BOB, ODD, ROOT, Folder, opened, run, until
from tests.support.http_servers import sdk_server

from callgate.clock import ManualClock
from callgate.transports.spawner import Spawner

REMEMBERING = Path(__file__).parent / "remembering_http.py"


def test_two_owners_never_share_a_process_and_one_owner_keeps_its_own(
    folder: Folder, spawner: Spawner
) -> None:
    folder.write(odd={"command": ODD})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            assert await bench.bridge.warm(["odd"]) == {}
            await bench.value("mcp_odd_remember", {"text": "of alice"}, ALICE)
            await bench.value("mcp_odd_remember", {"text": "of bob"}, BOB)
            alice = await bench.value("mcp_odd_recall", owner=ALICE)
            bob = await bench.value("mcp_odd_recall", owner=BOB)
            assert (alice["texts"], bob["texts"]) == (["of alice"], ["of bob"])
            assert alice["pid"] != bob["pid"]

    run(work())


def test_a_warm_server_is_the_first_owners_own(folder: Folder, spawner: Spawner) -> None:
    folder.write(odd={"command": ODD})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            assert await bench.bridge.warm(["odd"]) == {}
            server = bench.bridge._servers["odd"]
            assert server.connections == 1
            await bench.value("mcp_odd_recall")
            assert server.connections == 1

    run(work())


def test_a_modern_server_over_http_is_shared_and_a_session_of_the_handshake_eras_is_not(
    folder: Folder, spawner: Spawner
) -> None:
    with (
        sdk_server() as url,
        subprocess.Popen([sys.executable, str(REMEMBERING)], stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        folder.write(modern={"url": url}, legacy={"url": f"http://127.0.0.1:{port}/mcp"})

        async def work() -> None:
            async with opened(folder, spawner) as bench:
                for owner in (ALICE, BOB):
                    await bench.value("mcp_modern_add", {"a": 1, "b": 2}, owner)
                    await bench.value("mcp_legacy_remember", {"text": owner.identity}, owner)
                assert bench.bridge._servers["modern"].connections == 1
                for owner in (ALICE, BOB):
                    assert await bench.value("mcp_legacy_recall", owner=owner) == [owner.identity]

        try:
            run(work())
        finally:
            process.terminate()


def test_a_server_that_died_is_started_again_with_the_next_call(folder: Folder, spawner: Spawner) -> None:
    folder.write(odd={"command": ODD})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            first = (await bench.value("mcp_odd_recall"))["pid"]
            died = await bench.failure("mcp_odd_die")
            assert (died.kind, died.code, died.ran) == ("failed", "UPS041", True)
            assert (await bench.value("mcp_odd_recall"))["pid"] != first

    run(work())


def test_a_server_that_keeps_dying_is_left_alone_for_a_while_and_the_call_costs_nothing(
    folder: Folder, spawner: Spawner
) -> None:
    limited = (
        "default: allow\ntools:\n  die: {rules: [{rate_limit: {max: 4, window: 1h, scope: identity}}]}\n"
    )
    folder.write(limited, odd={"command": ODD})
    clock = ManualClock()

    async def work() -> None:
        async with opened(folder, spawner, clock=clock) as bench:
            await bench.bridge.tools(ALICE)
            for _ in range(3):
                assert (await bench.failure("mcp_odd_die")).ran
            for _ in range(3):
                alone = await bench.failure("mcp_odd_die")
                assert (alone.code, alone.ran, alone.retry_after) == ("UPS049", False, 1)
                assert "keeps ending" in alone.message
            clock.advance(2)
            assert await bench.value("mcp_odd_again") == "done"
            assert (await bench.failure("mcp_odd_die")).ran

    run(work())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"command": ["/nowhere/at-all"]}, "its command `at-all` is not found"),
        ({"command": [*ODD, "--dead"]}, "the server ended: exit status 1"),
        ({"url": "http://127.0.0.1:9/mcp"}, "cannot be reached"),
    ],
)
def test_a_server_that_is_not_there_is_told_of_and_the_others_work(
    folder: Folder, spawner: Spawner, settings: dict[str, object], told: str
) -> None:
    folder.write(gone=settings, odd={"command": ODD})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            not_ready = await bench.bridge.warm(["odd", "gone", "unheard-of"])
            assert set(not_ready) == {"gone", "unheard-of"}
            assert told in not_ready["gone"]
            assert await bench.value("mcp_odd_again") == "done"
            failure = await bench.failure("mcp_gone_anything")
            assert not failure.ran
            assert "is not ready" in failure.message

    run(work())


def test_a_server_that_never_answers_does_not_hold_up_the_others(
    folder: Folder, spawner: Spawner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callgate.runner.bridge.catalog.PAGE_SECONDS", 0.5)
    folder.write(mute={"command": [*ODD, "--mute"]}, odd={"command": ODD})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            tools = await bench.bridge.tools(ALICE)
            assert {tool.server for tool in tools} == {"odd"}
            failure = await bench.failure("mcp_mute_anything")
            assert "is not ready" in failure.message

    run(work())


def test_an_idle_child_is_ended_and_a_busy_one_is_not(folder: Folder, spawner: Spawner) -> None:
    folder.write(odd={"command": ODD, "idle": "60s"})
    clock = ManualClock()

    async def work() -> None:
        async with opened(folder, spawner, clock=clock) as bench:
            await bench.value("mcp_odd_recall", owner=ALICE)
            server = bench.bridge._servers["odd"]
            hanging = asyncio.ensure_future(bench.call("mcp_odd_hang", owner=BOB))
            await until(lambda: any(one.in_flight for one in server._connections.values()))
            assert server.connections == 2
            clock.advance(61)
            server.sweep()
            await until(lambda: server.connections == 1)
            hanging.cancel()
            await asyncio.gather(hanging, return_exceptions=True)

    run(work())


def test_the_number_of_children_is_bounded_and_the_longest_idle_one_makes_room(
    folder: Folder, spawner: Spawner
) -> None:
    folder.write(odd={"command": ODD, "max_children": 1})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            await bench.value("mcp_odd_remember", {"text": "x"}, ALICE)
            server = bench.bridge._servers["odd"]
            assert (await bench.value("mcp_odd_recall", owner=BOB))["texts"] == []
            await until(lambda: server.connections == 1)
            hanging = asyncio.ensure_future(bench.call("mcp_odd_hang", owner=BOB))
            await until(lambda: any(one.in_flight for one in server._connections.values()))
            refused = await bench.failure("mcp_odd_recall", owner=ALICE)
            assert (refused.code, refused.ran) == ("UPS046", False)
            hanging.cancel()
            await asyncio.gather(hanging, return_exceptions=True)

    run(work())


def test_a_closed_bridge_leaves_no_process(folder: Folder, spawner: Spawner) -> None:
    folder.write(odd={"command": ODD})
    pids: list[int] = []

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            for owner in (ALICE, BOB):
                pids.append((await bench.value("mcp_odd_recall", owner=owner))["pid"])

    run(work())
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


WORKER = """
import asyncio, sys
sys.path[:0] = {paths!r}
from bridge_bench import ALICE, BOB, Folder, opened
from pathlib import Path
from callgate.transports.spawner import fork_nursery

async def work(spawner):
    async with opened(Folder(Path({folder!r})), spawner) as bench:
        for owner in (ALICE, BOB):
            print((await bench.value("mcp_odd_recall", owner=owner))["pid"], flush=True)
        await bench.call("mcp_odd_hang")

asyncio.run(work({spawner}))
"""


@pytest.mark.parametrize("how", ["fork_nursery()", "None"])
def test_a_killed_worker_leaves_no_server(folder: Folder, how: str) -> None:
    folder.write(odd={"command": ODD})
    code = WORKER.format(paths=[str(ROOT), str(Path(__file__).parent)], folder=str(folder.path), spawner=how)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        pids = [int(worker.stdout.readline()) for _ in range(2)]
        # Opened before the end: the descriptor is readable when the very process ends, not another of its number.
        ends = [os.pidfd_open(pid) for pid in pids]
        worker.send_signal(signal.SIGKILL)
    import select

    try:
        for end in ends:
            readable, _, _ = select.select([end], [], [], 20)
            assert readable, "a server outlived its worker"
    finally:
        for end in ends:
            os.close(end)


def test_a_changed_list_of_tools_is_read_again(folder: Folder, spawner: Spawner) -> None:
    folder.write(odd={"command": ODD})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            assert bench.bridge.known("mcp_odd_fresh") is None
            await bench.value("mcp_odd_more")
            catalog = bench.bridge._catalogs["odd"]
            await until(lambda: not catalog.fresh)
            names = {tool.function for tool in await bench.bridge.tools(ALICE)}
            assert "mcp_odd_fresh" in names
            assert await bench.value("mcp_odd_fresh") == "done"

    run(work())


def test_a_hostile_list_keeps_only_tools_that_can_be_called_for_certain(
    folder: Folder, spawner: Spawner
) -> None:
    folder.write(odd={"command": ODD})

    async def work() -> None:
        async with opened(folder, spawner) as bench:
            tools = {tool.tool: tool for tool in await bench.bridge.tools(ALICE)}
            assert "twice" not in tools
            assert "line\nbreak" not in tools
            assert all(len(name) <= 256 for name in tools)
            assert tools["a-b"].function != tools["a.b"].function
            assert tools["recall"].repeatable
            assert tools["again"].repeatable
            assert not tools["remember"].repeatable

    run(work())


def test_credentials_are_sent_with_every_request_and_stand_in_no_message(
    folder: Folder, spawner: Spawner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SERVER_TOKEN", "s3cret-of-the-server")
    seen = tmp_path / "seen.jsonl"
    log: list[str] = []
    with sdk_server("--log", str(seen)) as url:
        header = {"authorization": {"env": "SERVER_TOKEN", "prefix": "Bearer "}}
        folder.write(s={"url": url, "headers": header})

        async def work() -> None:
            async with opened(folder, spawner, log) as bench:
                assert await bench.value("mcp_s_add", {"a": 1, "b": 2}) == {"result": 3}

        run(work())
    requests = seen.read_text().splitlines()
    assert requests
    assert all("Bearer s3cret-of-the-server" in request for request in requests)
    assert not any("s3cret" in line for line in [*log, folder.audit.read_text()])
