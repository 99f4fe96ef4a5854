"""Files that change under load: every call is judged by one whole policy, and bad edits change nothing."""

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.http_agent import LEGACY, MODERN, Agent, on_loop
from tests.support.lean_process import LeanServer
from tests.support.serve_checks import alive, descendants, every_call_is_recorded, records, wait_until
from tests.support.serve_process import ServeProcess

from callgate.auth.apikeys import new_key

PUPPET = Path(__file__).parents[1] / "upstream" / "puppet_server.py"
# Each policy allows one of two tools; half of one is no policy that allows both or none.
EVEN = "default: deny\ntools:\n  echo: {rules: []}\n"
ODD = "default: deny\ntools:\n  other: {rules: []}\n"


@asynccontextmanager
async def load(*clients: Callable[[], Any]) -> AsyncIterator[None]:
    """Run `clients` over and over meanwhile."""
    over = asyncio.Event()

    async def again(client: Callable[[], Any]) -> None:
        while not over.is_set():
            await client()

    tasks = [asyncio.create_task(again(client)) for client in clients]
    try:
        yield
    finally:
        over.set()
        await asyncio.gather(*tasks)


async def said(gate: ServeProcess, text: str, count: int = 1) -> None:
    """Wait until the gate has said something so often."""
    await asyncio.to_thread(wait_until, lambda: gate.stderr.count(text) >= count, f"it does not say `{text}`")


def test_no_call_is_judged_by_half_a_policy_and_a_bad_edit_changes_nothing(tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    settings = {"state": "memory://", "audit": str(audit), "audit_sync": "none"}
    with LeanServer(tmp_path / "ran") as lean:
        servers = {"srv": {"url": lean.url, "policy": "p.yaml"}}
        with ServeProcess(tmp_path / "gate", servers, settings=settings, policies={"p.yaml": EVEN}) as gate:
            verdicts: Counter[tuple[str, str | None]] = Counter()

            async def main() -> None:
                agents = [Agent(gate.port, version=version) for version in (LEGACY, MODERN) * 2]
                for agent in agents:
                    await agent.connect()
                    if agent.version == LEGACY:
                        await agent.initialize()

                def client(agent: Agent) -> Callable[[], Any]:
                    async def call() -> None:
                        for tool in ("echo", "other"):
                            verdicts[tool, (await agent.call(tool, token=tool)).denied] += 1

                    return call

                async with load(*map(client, agents)):
                    for number in range(4):
                        # Written in place and in two steps: what stands there meanwhile is a policy too.
                        text = ODD if number % 2 == 0 else EVEN
                        with open(gate.folder / "p.yaml", "w") as file:
                            file.write(text[: text.index("tools")] + "tools: {}\n")
                            file.flush()
                            file.seek(0)
                            file.truncate()
                            file.write(text)
                        await said(gate, "of srv is in force now", number + 1)
                    gate.write_policy("p.yaml", "default: allow\ntols: {}\n")
                    await said(gate, "POL")
                    await said(gate, "stay")
                    verdicts.clear()
                    await asyncio.to_thread(wait_until, lambda: verdicts.total() > 200, "no calls")
                    assert set(verdicts) == {("echo", None), ("other", "DEN011")}
                    gate.write_policy("p.yaml", ODD)
                    await said(gate, "of srv is in force now", 5)

            on_loop(main)
            assert gate.stop() == 0
        in_force = [line["message"] for line in gate.log() if "in force now" in line["message"]]
        assert not [line for line in in_force if line.startswith("configuration")], "it did not change"
        ran = (tmp_path / "ran").read_text().split()
        every_call_is_recorded(audit, len(ran))
        # By the revision on record, each decision is what that whole policy says.
        revisions: dict[str, set[tuple[str, str]]] = {}
        for record in records(audit, "decision"):
            if record.get("rule") != "self-test":
                revisions.setdefault(record["policy"], set()).add((record["tool"], record["effect"]))
        wholes = [{("echo", "allow"), ("other", "deny")}, {("echo", "deny"), ("other", "allow")}]
        assert all(any(found <= whole for whole in wholes) for found in revisions.values()), revisions
        assert len(revisions) == 2


def test_servers_come_change_and_go_while_others_are_called(tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    settings = {"state": "memory://", "audit": str(audit), "audit_sync": "none"}
    with LeanServer() as one, LeanServer() as two, LeanServer() as three:
        with ServeProcess(tmp_path / "gate", {"a": {"url": one.url}}, settings=settings) as gate:

            async def status(name: str) -> int:
                async with Agent(gate.port, name, version=MODERN) as agent:
                    return (await agent.call("echo", text="x")).status

            async def main() -> None:
                steady, held = Agent(gate.port, "a"), Agent(gate.port, "b", version=MODERN)
                await steady.connect()
                await steady.initialize()

                async def call() -> None:
                    answer = await steady.call("echo", text="x")
                    assert answer.message["result"]["content"], answer

                async with load(call):
                    assert await status("b") == 404
                    gate.write_config({"a": {"url": one.url}, "b": {"url": two.url}}, settings)
                    await said(gate, "is in force now")
                    assert await status("b") == 200
                    await held.connect()
                    await held.open("tools/call", name="hold", arguments={})
                    await held.event()
                    # Changed: new calls go to the new one, the call under way may end at the old one.
                    gate.write_config({"a": {"url": one.url}, "b": {"url": three.url}}, settings)
                    await said(gate, "is in force now", 2)
                    assert await status("b") == 200
                    assert three.counts()["ran"] == 1
                    two.release()
                    assert (await held.rest())[-1]["result"]["content"][0]["text"] == "released"
                    (gate.folder / "callgate.yaml").write_text('{"servers": {"a": {"url": 7}}}')
                    await said(gate, "CFG")
                    assert await status("b") == 200
                    gate.write_config({"a": {"url": one.url}}, settings)
                    await said(gate, "is in force now", 3)
                    assert await status("b") == 404

            on_loop(main)
            assert gate.stop() == 0
        every_call_is_recorded(audit, one.counts()["ran"] + 4)


def test_a_gate_that_starts_no_server_keeps_no_nursery_and_gets_one_when_its_file_asks_for_it(
    tmp_path: Path,
) -> None:
    settings = {"state": "memory://"}
    child = {"command": [sys.executable, "-I", "-S", str(PUPPET), "modern"]}
    with (
        LeanServer() as lean,
        ServeProcess(tmp_path / "gate", {"far": {"url": lean.url}}, settings=settings) as gate,
    ):
        assert descendants(gate.process.pid) == []

        async def main() -> None:
            gate.write_config({"far": {"url": lean.url}, "child": child}, settings)
            await said(gate, "is in force now")
            for name in ("child", "far", "child"):
                async with Agent(gate.port, name, version=MODERN) as agent:
                    answer = await agent.call("echo", text="x")
                    assert answer.denied is None
                    assert "result" in answer.message

        on_loop(main)
        started = descendants(gate.process.pid)
        assert started
        assert gate.stop() == 0
        wait_until(lambda: not any(map(alive, started)), "children are left")


def test_a_revoked_key_is_refused_under_load_and_others_are_not_disturbed(tmp_path: Path) -> None:
    keys = {name: new_key() for name in ("ann", "bob")}
    path = tmp_path / "keys.yaml"

    def write(*names: str) -> None:
        found = [{"id": keys[name][1], "sha256": keys[name][2], "identity": name} for name in names]
        path.with_suffix(".new").write_text(json.dumps({"keys": found}))
        path.with_suffix(".new").chmod(0o600)
        path.with_suffix(".new").replace(path)

    write("ann", "bob")
    settings = {"state": "memory://", "auth": {"keys": str(path)}}
    with (
        LeanServer() as lean,
        ServeProcess(tmp_path / "gate", {"srv": {"url": lean.url}}, settings=settings) as gate,
    ):

        async def main() -> None:
            ann, bob = (
                Agent(gate.port, version=MODERN, authorization=f"Bearer {keys[name][0]}") for name in keys
            )
            await ann.connect()
            await bob.connect()

            async def call() -> None:
                assert (await ann.call("echo", text="x")).status == 200

            async with load(call):
                assert (await bob.call("echo", text="x")).status == 200
                write("ann")
                while (answer := await bob.call("echo", text="x")).status == 200:
                    continue
                assert answer.status == 401
                path.write_text("keys: [nonsense")
                await said(gate, "the keys in force stay")
                assert f"{path}:1:" in gate.stderr
                assert "[AUTH033]" in gate.stderr
                assert (await bob.call("echo", text="x")).status == 401

        on_loop(main)
        assert gate.stop() == 0


def certificate(folder: Path, name: str) -> ssl.SSLContext:
    """Put a new certificate for `name` where the gate looks for it; a client that trusts nothing else."""
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-keyout", "key.new", "-out", "cert.new", "-days", "2", "-subj", f"/CN={name}"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    trust = ssl.create_default_context(cafile=str(folder / "cert.new"))
    for kind in ("key", "cert"):
        (folder / f"{kind}.new").replace(folder / f"{kind}.pem")
    return trust


def test_a_replaced_certificate_is_shown_to_new_connections_and_old_ones_go_on(tmp_path: Path) -> None:
    first = certificate(tmp_path, "first")
    tls = {"cert": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    settings = {"state": "memory://", "listen": {"tls": tls}}
    with (
        LeanServer() as lean,
        ServeProcess(tmp_path / "gate", {"srv": {"url": lean.url}}, settings=settings) as gate,
    ):

        async def reached(trust: ssl.SSLContext) -> bool:
            try:
                async with Agent(gate.port, version=MODERN, tls=trust) as agent:
                    return (await agent.call("echo", text="x")).denied is None
            except ssl.SSLError:
                return False

        async def main() -> None:
            async with Agent(gate.port, version=MODERN, tls=first) as old:
                assert (await old.call("echo", text="x")).denied is None
                second = certificate(tmp_path, "second")
                while not await reached(second):
                    continue
                assert not await reached(first)
                assert (await old.call("echo", text="x")).denied is None
                (tmp_path / "cert.pem").write_text("no certificate")
                await said(gate, "stay")
                assert await reached(second)

        on_loop(main)
        assert gate.stop() == 0


@pytest.mark.parametrize("broken", ["no auth", "no key file"])
def test_an_edit_that_is_refused_for_its_credentials_puts_nothing_of_it_in_force(
    tmp_path: Path, broken: str
) -> None:
    key, key_id, digest = new_key()
    keys = tmp_path / "keys.yaml"
    keys.write_text(json.dumps({"keys": [{"id": key_id, "sha256": digest, "identity": "ann"}]}))
    keys.chmod(0o600)
    settings: dict[str, Any] = {"state": "memory://", "auth": {"keys": str(keys)}}
    changed: dict[str, Any] = {"state": "memory://"}
    if broken == "no key file":
        changed["auth"] = {"keys": str(tmp_path / "missing.yaml")}
    with LeanServer() as lean:
        servers = {"srv": {"url": lean.url, "policy": "p.yaml"}}
        with ServeProcess(tmp_path / "gate", servers, settings=settings, policies={"p.yaml": EVEN}) as gate:

            async def main() -> None:
                async with Agent(gate.port, version=MODERN, authorization=f"Bearer {key}") as ann:
                    assert (await ann.call("other")).denied == "DEN011"
                    gate.write_policy("p.yaml", "default: allow\n")
                    gate.write_config(servers, changed)
                    await said(gate, "not in force")
                    assert (await ann.call("other")).denied == "DEN011"
                    gate.write_config(servers, settings)
                    await said(gate, "of srv is in force now")
                    assert (await ann.call("other")).denied is None

            on_loop(main)
            assert "of srv is in force now" not in gate.stderr.partition("not in force")[0]
            assert gate.stop() == 0


def test_workers_that_die_come_back_with_what_was_in_force_whatever_the_files_say_by_then(
    tmp_path: Path,
) -> None:
    settings = {"state": f"sqlite:{tmp_path}/state.db", "workers": 2}
    with LeanServer() as lean:
        servers = {"srv": {"url": lean.url, "policy": "p.yaml"}}
        policies = {"p.yaml": "default: allow\n"}
        with ServeProcess(tmp_path / "gate", servers, settings=settings, policies=policies) as gate:
            wait_until(lambda: len(descendants(gate.process.pid)) == 2, "there are no two workers")

            async def denied() -> str | None:
                while True:
                    try:
                        async with Agent(gate.port, version=MODERN) as agent:
                            return (await agent.call("other", text="x")).denied
                    except (OSError, EOFError):
                        # Nobody listens yet.
                        continue

            async def main() -> None:
                assert await denied() is None
                gate.write_policy("p.yaml", EVEN)
                await said(gate, "of srv is in force now", 2)
                gate.write_policy("p.yaml", "default: allow\ntools: [broken\n")
                await said(gate, "not in force", 2)
                for pid in descendants(gate.process.pid):
                    os.kill(pid, signal.SIGKILL)
                for _ in range(20):
                    assert await denied() == "DEN011"
                gate.write_policy("p.yaml", ODD)
                await said(gate, "of srv is in force now", 3)
                while await denied() is not None:
                    continue

            on_loop(main)
            assert gate.stop() == 0


def test_a_revoked_key_receives_nothing_more_on_what_it_opened_or_began_before(tmp_path: Path) -> None:
    keys = {name: new_key() for name in ("ann", "bob")}
    path = tmp_path / "keys.yaml"

    def write(*names: str) -> None:
        found = [{"id": keys[name][1], "sha256": keys[name][2], "identity": name} for name in names]
        path.with_suffix(".new").write_text(json.dumps({"keys": found}))
        path.with_suffix(".new").chmod(0o600)
        path.with_suffix(".new").replace(path)

    write("ann", "bob")
    settings = {"state": "memory://", "auth": {"keys": str(path)}}
    frame = json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo"}}
    ).encode()
    with (
        LeanServer() as lean,
        ServeProcess(tmp_path / "gate", {"srv": {"url": lean.url}}, settings=settings) as gate,
    ):

        async def main() -> None:
            ann, bob = (
                Agent(gate.port, version=LEGACY, authorization=f"Bearer {keys[name][0]}") for name in keys
            )
            for agent in (ann, bob):
                await agent.connect()
                await agent.initialize()
                await agent.listen()
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            head = (
                f"POST /srv/mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {keys['bob'][0]}\r\n"
                f"mcp-protocol-version: {LEGACY}\r\n"
                f"content-type: application/json\r\ncontent-length: {len(frame)}\r\n\r\n"
            )
            writer.write(head.encode() + frame[:-1])
            await writer.drain()
            await asyncio.to_thread(lean.wait, "open", 2)
            write("ann")
            # Its stream ends without another word.
            await asyncio.wait_for(bob.rest(), 30)
            writer.write(frame[-1:])
            assert (await reader.readline()).split()[1] == b"401"
            writer.close()
            await writer.wait_closed()
            lean.announce()
            while (await ann.event())["method"] != "notifications/message":
                continue

        on_loop(main)
        assert lean.counts().get("ran", 0) == 0
        assert gate.stop() == 0
