"""The Compose example without an engine: what its file says fits together, and what it starts is started here."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest
import yaml
from example_files import CALLGATE, EXAMPLES, ExampleGate, http_client, substituted
from tests.support.free_port import free_port
from tests.support.http_servers import server_everything
from tests.support.nginx_proxy import NginxProxy

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("examples-compose")]

FOLDER = EXAMPLES / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
CONFIG: dict[str, Any] = yaml.safe_load((FOLDER / "callgate.yaml").read_text())
GATES = ("gate-a", "gate-b")
PATIENCE_SECONDS = 30.0


def test_what_services_name_is_there() -> None:
    assert COMPOSE.keys() == {"name", "x-gate", "services", "networks", "volumes", "secrets"}
    used: dict[str, set[str]] = {"networks": set(), "volumes": set(), "secrets": set()}
    for name, service in SERVICES.items():
        assert ("build" in service) or re.search(r":\d[\w.-]*$", service["image"]), f"{name} has no version"
        assert set(service.get("depends_on", {})) <= SERVICES.keys()
        used["networks"] |= set(service["networks"])
        used["secrets"] |= set(service.get("secrets", []))
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert (FOLDER / source).exists()
            else:
                used["volumes"].add(source)
    assert {kind: set(COMPOSE[kind]) for kind in used} == used
    build = COMPOSE["x-gate"]["build"]
    assert (FOLDER / build["context"] / build["dockerfile"]).is_file()


def test_what_the_files_say_of_each_other_is_so() -> None:
    nginx = (FOLDER / "nginx.conf").read_text()
    port = CONFIG["listen"]["port"]
    assert re.findall(r"^\s*server (\S+)", nginx, re.M)[:2] == [f"{gate}:{port}" for gate in GATES]
    (published,) = SERVICES["nginx"]["ports"]
    assert f"listen {published.rsplit(':', 1)[1]};" in nginx
    assert urlsplit(CONFIG["state"]).hostname in SERVICES
    url = urlsplit(CONFIG["servers"]["everything"]["url"])
    assert url.hostname in SERVICES
    assert str(url.port) == SERVICES["everything"]["environment"]["PORT"]
    for gate in GATES:
        service = SERVICES[gate]
        assert int(service["stop_grace_period"][:-1]) > int(CONFIG["drain"][:-1])
        config = (FOLDER / "callgate.yaml").read_text()
        assert set(re.findall(r"/run/secrets/([\w.-]+)", config)) == set(service["secrets"])
        (audit,) = [volume for volume in service["volumes"] if volume.startswith("audit")]
        assert CONFIG["audit"].startswith(audit.partition(":")[2])


def test_the_server_behind_the_gates_is_the_one_that_is_tested() -> None:
    (package,) = [word for word in SERVICES["everything"]["command"] if "@modelcontextprotocol" in word]
    name, _, version = package.rpartition("@")
    tested = json.loads((EXAMPLES.parent / "tests/servers/package.json").read_text())["dependencies"]
    assert tested[name] == version


class _Nginx(NginxProxy):
    """nginx with the example's file, whose own places are replaced."""

    def __init__(self, folder: Path, gates: list[str], port: int) -> None:
        text = (FOLDER / "nginx.conf").read_text()
        places = {f"{name}:8722": urlsplit(gate).netloc for name, gate in zip(GATES, gates, strict=True)}
        text = substituted(text, {**places, "listen 8080": f"listen 127.0.0.1:{port}", "/tmp/": f"{folder}/"})
        folder.mkdir()
        config = folder / "nginx.conf"
        # Workers of another user could not enter a test's folder.
        user = "user root;\n" if os.geteuid() == 0 else ""
        config.write_text(f"daemon off;\n{user}{text}")
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
        assert program is not None
        self.port = port
        with open(folder / "stderr", "wb") as errors:
            self.process = subprocess.Popen([program, "-c", str(config), "-p", str(folder)], stderr=errors)
        assert self._listens(), (folder / "stderr").read_text()


@contextmanager
def store(command: list[str], folder: Path, port: int) -> Iterator[None]:
    """The store as the file starts it, but on `port` of loopback; Redis stands in for Valkey that is not there."""
    program = shutil.which(command[0]) or shutil.which("redis-server")
    assert program is not None, "these tests need a Redis server"
    folder.mkdir()
    own = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--logfile", str(folder / "log")]
    with subprocess.Popen(["setpriv", "--pdeathsig", "KILL", program, *command[1:], *own]) as process:
        try:
            end = time.monotonic() + PATIENCE_SECONDS
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert process.poll() is None, (folder / "log").read_text()
                    assert time.monotonic() < end, "the store does not listen"
                    time.sleep(0.01)
            yield
        finally:
            process.kill()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """All of the example: made secrets, the store with its users, the server, two gates, nginx."""
    folder = tmp_path_factory.mktemp("compose")
    for name in ("make-secrets", "callgate.yaml"):
        shutil.copy(FOLDER / name, folder)
    made = subprocess.run(
        [folder / "make-secrets"],
        env={**os.environ, "CALLGATE": str(CALLGATE)},
        capture_output=True,
        text=True,
        check=True,
    )
    key = made.stdout.split()[-1]
    secrets = folder / "secrets"
    command = shlex.split(SERVICES["valkey"]["command"].replace("/run/secrets", str(secrets)))
    with ExitStack() as stack:
        port = free_port()
        stack.enter_context(store(command, folder / "store", port))
        url = stack.enter_context(server_everything())
        gates = []
        for name in GATES:
            shutil.copytree(FOLDER / "policies", folder / name / "policies")
            places = {
                "/run/secrets": str(secrets),
                "/var/lib/callgate": str(folder / name),
                "valkey:6379": f"127.0.0.1:{port}",
                "http://everything:3001/mcp": url,
            }
            text = substituted((FOLDER / "callgate.yaml").read_text(), places)
            # A busy machine is no store that fails.
            text = text.replace("?password_file", "?timeout=20&connect_timeout=20&password_file")
            (folder / name / "callgate.yaml").write_text(text)
            gates.append(stack.enter_context(ExampleGate(folder / name)))
        nginx = stack.enter_context(_Nginx(folder / "nginx", [gate.base for gate in gates], free_port()))
        bearer = {"Authorization": f"Bearer {key}"}
        yield SimpleNamespace(
            folder=folder, secrets=secrets, port=port, gates=gates, nginx=nginx, bearer=bearer
        )


def decisions(folder: Path, tool: str) -> list[str]:
    """What was decided on calls of `tool`, by the audit in `folder`."""
    lines = [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]
    return [line["effect"] for line in lines if line["kind"] == "decision" and line["tool"] == tool]


def test_a_limit_holds_over_both_gates_and_all_sessions_which_go_on_at_either(
    running: SimpleNamespace,
) -> None:
    async def converse() -> list[bool]:
        refused = []
        for _session in range(2):
            async with http_client(running.nginx.url("everything"), running.bearer) as client:
                for n in range(7):
                    refused.append((await client.call_tool("echo", {"message": str(n)})).is_error)
        return refused

    assert anyio.run(converse) == [False] * 10 + [True] * 4
    by_gate = [decisions(running.folder / name, "echo") for name in GATES]
    assert sorted(effect for each in by_gate for effect in each) == ["allow"] * 10 + ["deny"] * 4
    assert all("allow" in each for each in by_gate)


def test_events_come_through_nginx_as_they_happen(running: SimpleNamespace) -> None:
    at: list[float] = []

    async def told(progress: float, total: float | None, message: str | None) -> None:
        at.append(time.monotonic())

    async def converse() -> None:
        async with http_client(running.nginx.url("everything"), running.bearer) as client:
            slow = {"duration": 2, "steps": 4}
            done = await client.call_tool("trigger-long-running-operation", slow, progress_callback=told)
            at.append(time.monotonic())
            assert not done.is_error, done

    anyio.run(converse)
    assert len(at) > 2
    assert at[-1] - at[0] > 0.3, "all events came at once, with the end"


def test_only_the_servers_can_be_seen_and_only_with_a_key(running: SimpleNamespace) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    accept = {"Accept": "application/json, text/event-stream"}
    with httpx2.Client(base_url=running.nginx.base) as http:
        assert http.post("/everything/mcp", json=ping, headers=accept).status_code == 401
        assert http.post("/nothing/mcp", json=ping, headers=accept | running.bearer).status_code == 404
        assert http.get("/metrics", headers=running.bearer).status_code == 404
        assert http.get("/readyz").json()["status"] == "ready"
        elsewhere = accept | running.bearer | {"Host": "evil.example.com"}
        assert http.post("/everything/mcp", json=ping, headers=elsewhere).status_code == 421
        large = b" " * (17 << 20)
        assert http.post("/everything/mcp", content=large, headers=accept | running.bearer).status_code == 413


def test_calls_go_on_while_one_gate_is_stopped(running: SimpleNamespace) -> None:
    # A third one, so that the others are there for the other tests.
    folder = running.folder / "gate-c"
    shutil.copytree(FOLDER / "policies", folder / "policies")
    config = (running.folder / "gate-a/callgate.yaml").read_text()
    (folder / "callgate.yaml").write_text(config.replace("gate-a", "gate-c"))

    with ExitStack() as stack:
        gate = stack.enter_context(ExampleGate(folder))
        bases = [gate.base, running.gates[1].base]
        nginx = stack.enter_context(_Nginx(running.folder / "nginx-c", bases, free_port()))

        async def converse() -> None:
            async with http_client(nginx.url("everything"), running.bearer) as client:
                for n in range(4):
                    assert not (await client.call_tool("get-sum", {"a": n, "b": 2})).is_error
                assert await anyio.to_thread.run_sync(gate.stop) == 0
                for n in range(6):
                    assert not (await client.call_tool("get-sum", {"a": n, "b": 2})).is_error

        anyio.run(converse)
    assert decisions(folder, "get-sum")


def test_the_store_lets_others_ask_whether_it_lives_and_nothing_else(running: SimpleNamespace) -> None:
    words = [word for word in SERVICES["valkey"]["healthcheck"]["test"][1:] if word != "valkey-cli"]

    def asked(*more: str) -> subprocess.CompletedProcess[str]:
        cli = shutil.which("redis-cli") or shutil.which("valkey-cli")
        assert cli is not None
        command = [cli, "-p", str(running.port), *more]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert asked(*words).returncode == 0
    assert asked("-e", "KEYS", "*").returncode == 1
    assert "NOPERM" in asked("KEYS", "*").stdout + asked("KEYS", "*").stderr


def test_secrets_are_made_once_and_are_not_for_others(running: SimpleNamespace) -> None:
    again = subprocess.run([running.folder / "make-secrets"], capture_output=True, check=False)
    assert again.returncode == 1
    assert running.secrets.stat().st_mode & 0o077 == 0
    given = {secret["file"].removeprefix("./") for secret in COMPOSE["secrets"].values()}
    assert all((running.folder / file).stat().st_mode & 0o777 == 0o444 for file in given)
    ignored = subprocess.run(
        ["git", "check-ignore", *(str(FOLDER / file) for file in given)],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(ignored.stdout.splitlines()) == len(given)
