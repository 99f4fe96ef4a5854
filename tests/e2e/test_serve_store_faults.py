"""A limit store or a disk that fails under calls over HTTP: denied meanwhile, said, and well again by itself."""

import asyncio
import json
import os
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.http_agent import MODERN, Agent, on_loop
from tests.support.lean_process import LeanServer
from tests.support.redis_server import RedisServer
from tests.support.serve_checks import baseline, every_call_is_recorded, records, settles_to, wait_until
from tests.support.serve_process import ServeProcess
from tests.support.small_disk import small_disk

MAX = 300
LIMITED = f"default: deny\ntools: {{echo: {{rules: [{{rate_limit: {{max: {MAX}, window: 24h, scope: global}}}}]}}}}\n"


def serve(folder: Path, lean: LeanServer, *options: str, **settings: Any) -> ServeProcess:
    return ServeProcess(
        folder,
        {"srv": {"url": lean.url, "policy": "limited.yaml"}},
        *options,
        settings=settings,
        policies={"limited.yaml": LIMITED},
    )


def readiness(gate: ServeProcess) -> dict[str, Any]:
    """What `/readyz` says, with its status as `http`."""
    try:
        found: dict[str, Any] = {"http": 200, **json.loads(gate.fetch("/readyz"))}
    except urllib.error.HTTPError as error:
        with error:
            found = {"http": error.code, **json.loads(error.read())}
    return found


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A server that keeps what it counted."""
    server = RedisServer("--appendonly", "yes", "--appendfsync", "always").start()
    yield server
    server.remove()


def test_a_store_killed_in_mid_burst_denies_until_it_is_there_again_and_no_limit_is_exceeded(
    tmp_path: Path, redis: RedisServer
) -> None:
    ran, audit = tmp_path / "ran", tmp_path / "audit.jsonl"
    with (
        LeanServer(ran) as lean,
        serve(
            tmp_path / "gate", lean, state=redis.url(timeout=2), audit=str(audit), audit_sync="none"
        ) as gate,
    ):
        codes: list[str | None] = []
        enough = asyncio.Event()

        async def burst(until: asyncio.Event, only: str | None = None) -> None:
            async with Agent(gate.port, version=MODERN) as agent:
                while not until.is_set():
                    code = (await agent.call("echo", token=1)).denied
                    codes.append(code)
                    if code == only and len([one for one in codes if one == only]) >= 50:
                        until.set()

        async def main() -> None:
            await asyncio.gather(*(burst(enough) for _ in range(8)))
            down = asyncio.Event()
            bursts = [asyncio.create_task(burst(down, "DEN030")) for _ in range(8)]
            await asyncio.to_thread(redis.kill)
            await asyncio.gather(*bursts)
            ready = await asyncio.to_thread(readiness, gate)
            assert ready["http"] == 503
            assert ready["reasons"] == ["limit store failing"]
            await asyncio.to_thread(redis.start)
            # Nobody calls: a balancer that has taken the gate out must be told that it works again.
            await asyncio.to_thread(wait_until, lambda: readiness(gate)["http"] == 200, "it stays not ready")
            await asyncio.gather(*(burst(asyncio.Event(), "DEN020") for _ in range(1)))

        before = baseline(gate.process.pid, gate.port)
        on_loop(main)
        settles_to(gate.process.pid, before)
        assert codes.count("DEN030") >= 50
        assert set(codes) == {None, "DEN030", "DEN020"}
        executed = len(ran.read_text().splitlines())
        # A reservation whose answer was lost with the store is spent, but nothing ran for it.
        assert MAX - 16 <= executed <= MAX
        assert gate.stop() == 0
    assert every_call_is_recorded(audit, executed) == {"ok": executed}
    assert any(record["event"] == "store_failed" for record in records(audit, "event"))


def test_an_idle_gate_says_that_its_store_is_gone_and_that_it_is_there_again(
    tmp_path: Path, redis: RedisServer
) -> None:
    with (
        LeanServer(tmp_path / "ran") as lean,
        serve(tmp_path / "gate", lean, "--log-level", "warning", state=redis.url(timeout=2)) as gate,
    ):
        redis.kill()
        wait_until(lambda: readiness(gate)["http"] == 503, "a dead store counts as ready")
        assert readiness(gate)["reasons"] == ["limit store failing"]
        redis.start()
        wait_until(lambda: readiness(gate)["http"] == 200, "it stays not ready")
        assert gate.stop() == 0
    said = [line for line in gate.log() if line.get("event") == "state"]
    assert [(line["level"], line.get("code")) for line in said] == [("error", "STA020"), ("warning", None)]


def fill(folder: Path) -> Path:
    """Use up the space."""
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 512)
        except OSError:
            return filler


def test_a_full_disk_under_the_audit_denies_says_so_and_recovers(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    with small_disk(tmp_path / "small", "256k") as disk:
        audit = disk / "audit.jsonl"
        with (
            LeanServer(ran) as lean,
            serve(tmp_path / "gate", lean, state="memory://", audit=str(audit)) as gate,
        ):

            async def call() -> str | None:
                async with Agent(gate.port, version=MODERN) as agent:
                    return (await agent.call("echo", token=1)).denied

            async def main() -> None:
                assert await call() is None
                assert readiness(gate)["http"] == 200
                filler = fill(disk)
                allowed = 1
                while (code := await call()) is None:
                    allowed += 1
                assert code == "DEN031"
                assert [await call() for _ in range(5)] == ["DEN031"] * 5
                assert lean.counts()["ran"] == allowed < 30
                ready = await asyncio.to_thread(readiness, gate)
                assert (ready["http"], ready["reasons"]) == (503, ["audit failing"])
                # A look at the limits meanwhile is no sign that records can be written.
                await asyncio.to_thread(
                    wait_until,
                    lambda: gate.metric("callgate_limit_used") == allowed,
                    "limits are not looked at",
                )
                assert readiness(gate)["http"] == 503
                os.unlink(filler)
                # Nobody calls: a balancer that has taken the gate out must be told that it works again.
                await asyncio.to_thread(
                    wait_until, lambda: readiness(gate)["http"] == 200, "it stays not ready"
                )
                # What was refused for want of an audit has spent nothing of the limit.
                codes = [await call() for _ in range(MAX - allowed)]
                assert codes == [None] * (MAX - allowed)
                assert await call() == "DEN020"

            on_loop(main)
            executed = len(ran.read_text().splitlines())
            assert executed == MAX
            assert gate.stop() == 0
        assert every_call_is_recorded(audit, executed) == {"ok": executed}
        assert any(record["event"] == "records_not_written" for record in records(audit, "event"))
