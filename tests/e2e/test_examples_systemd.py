"""The systemd unit: what systemd says of it, and a gate that runs its command with what it leaves a process."""

import ctypes.util
import re
import shutil
import subprocess
from pathlib import Path

import anyio
import pytest
import yaml
from example_files import (
    CALLGATE,
    EXAMPLES,
    ExampleGate,
    callgate,
    http_client,
    new_key,
    substituted,
    write_keys,
)
from tests.support.http_servers import sdk_server
from tests.support.real_traffic import NODE_BIN
from tests.support.shut_in import left_by

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here"),
]

FOLDER = EXAMPLES / "systemd"
UNIT = (FOLDER / "callgate.service").read_text()


def values(key: str) -> list[str]:
    """The values of a key of the unit, in their order."""
    return re.findall(rf"^{key}=(.*)$", UNIT, re.M)


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_systemd_has_nothing_to_say_against_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "callgate.service"
    unit.write_text(substituted(UNIT, {"/opt/callgate/bin/callgate": str(CALLGATE)}))
    verified = analyze("verify", unit)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_the_unit_leaves_little_to_an_attacker(tmp_path: Path) -> None:
    secure = analyze("security", "--offline=yes", "--threshold=15", FOLDER / "callgate.service")
    assert secure.returncode == 0, secure.stdout[-200:] + secure.stderr


def test_systemd_waits_longer_than_the_gate_drains() -> None:
    drain = yaml.safe_load((FOLDER / "callgate.yaml").read_text())["drain"]
    (stop,) = values("TimeoutStopSec")
    assert int(stop.removesuffix("s")) >= int(drain.removesuffix("s")) + 10


def test_every_credential_that_the_configuration_names_is_given_to_the_service() -> None:
    named = set(
        re.findall(r"/run/credentials/callgate\.service/([\w.-]+)", (FOLDER / "callgate.yaml").read_text())
    )
    assert named == {value.partition(":")[0] for value in values("LoadCredential")}
    assert all(name in (FOLDER / "README.md").read_text() for name in ("keys.yaml", "session-secret"))


def test_the_limit_store_can_tell_one_boot_from_the_next() -> None:
    assert values("ProcSubset") in ([], ["all"]), "the boot id is in /proc/sys"


@pytest.mark.skipif(ctypes.util.find_library("seccomp") is None, reason="there is no libseccomp here")
def test_the_gate_and_a_server_on_node_live_with_what_the_unit_leaves_them(tmp_path: Path) -> None:
    # As with DynamicUser: the state directory is a symbolic link, the credentials can only be read.
    (tmp_path / "private").mkdir(mode=0o700)
    (tmp_path / "lib").symlink_to("private")
    credentials = tmp_path / "credentials"
    credentials.mkdir(mode=0o700)
    key, entry = new_key("ci-bot")
    write_keys(credentials / "keys.yaml", entry)
    for name in ("session-secret", "docs-token"):
        (credentials / name).write_text("0123456789abcdef" * 4 + "\n")
        (credentials / name).chmod(0o400)
    calls = tmp_path / "calls"
    calls.write_text("\n".join(sorted(left_by(values("SystemCallFilter")))))
    gate_folder = tmp_path / "etc"
    shutil.copytree(FOLDER / "policies", gate_folder / "policies")
    with sdk_server() as url:
        places = {
            "/run/credentials/callgate.service": str(credentials),
            "/var/lib/callgate": str(tmp_path / "lib"),
            "/usr/local/bin/mcp-server-memory": str(NODE_BIN / "mcp-server-memory"),
            "https://docs.example.com/mcp": url,
        }
        (gate_folder / "callgate.yaml").write_text(
            substituted((FOLDER / "callgate.yaml").read_text(), places)
        )
        checked = callgate("config", "check", gate_folder / "callgate.yaml")
        assert checked.returncode == 0, checked.stderr
        (command,) = values("ExecStart")
        assert command.split()[1:4] == ["serve", "-c", "/etc/callgate/callgate.yaml"]
        python = Path(CALLGATE).with_name("python")
        prefix = [str(python), "-m", "tests.support.shut_in", str(calls)]
        with ExampleGate(gate_folder, prefix=prefix) as gate:
            anyio.run(_learn, gate.url("memory"), key)
            assert gate.stop() == 0, gate.stderr
    assert "tea" in (tmp_path / "private/memory.jsonl").read_text()
    verified = callgate("audit", "verify", tmp_path / "private/calls.jsonl")
    assert verified.returncode == 0, verified.stdout


async def _learn(url: str, key: str) -> None:
    entity = {"name": "tea", "entityType": "drink", "observations": ["hot"]}
    async with http_client(url, {"Authorization": f"Bearer {key}"}) as client:
        assert "delete_entities" not in {tool.name for tool in (await client.list_tools()).tools}
        made = await client.call_tool("create_entities", {"entities": [entity]})
        assert not made.is_error, made
        gone = await client.call_tool("delete_entities", {"entityNames": ["tea"]})
        assert gone.is_error
