"""A worker that is started anew begins with what was last in force, or not at all."""

import os
from pathlib import Path

import pytest

from callgate.config.loaded import Loaded
from callgate.config.loader import settled_config
from callgate.errors import StateError
from callgate.serve.in_force import keep, latest


def read(folder: Path, policy: str, more: str = "") -> Loaded:
    (folder / "p.yaml").write_text(policy)
    path = folder / "callgate.yaml"
    path.write_text(f"servers: {{srv: {{url: 'http://127.0.0.1:1/mcp', policy: p.yaml}}}}\n{more}")
    return settled_config(str(path))


def test_what_was_kept_last_is_what_a_worker_starts_with(tmp_path: Path) -> None:
    start = read(tmp_path, "default: allow\n")
    folder = tmp_path / "shared"
    folder.mkdir()
    assert latest(str(folder), start) is start
    for policy in ("default: deny\n", "default: deny\ntools: {echo: {rules: []}}\n"):
        changed = read(tmp_path, policy)
        keep(str(folder), changed)
        assert latest(str(folder), start) == changed
    assert [path.name for path in folder.iterdir()] == ["in-force.json"]
    assert (folder / "in-force.json").stat().st_mode & 0o077 == 0


def test_what_is_opened_once_stays_what_the_other_workers_have_opened(tmp_path: Path) -> None:
    start = read(tmp_path, "default: allow\n", "state: memory://\nlisten: {port: 7001}\n")
    more = "state: sqlite:other.db\naudit: other.jsonl\nlisten: {port: 7002, limits: {max_connections: 7}}\n"
    keep(str(tmp_path), read(tmp_path, "default: deny\n", more))
    found = latest(str(tmp_path), start).config
    assert (found.state, found.audit, found.listen.port) == ("memory://", None, 7001)
    assert found.listen.limits.max_connections == 7


@pytest.mark.parametrize("left", [b"", b"{}", b'{"config": {'])
def test_what_cannot_be_read_is_never_taken_for_nothing(tmp_path: Path, left: bytes) -> None:
    start = read(tmp_path, "default: allow\n")
    (tmp_path / "in-force.json").write_bytes(left)
    with pytest.raises(StateError, match="cannot be read") as caught:
        latest(str(tmp_path), start)
    assert caught.value.code == "STA033"
    with pytest.raises(StateError):
        latest(str(tmp_path / "gone"), start)


def test_where_nothing_can_be_written_that_is_said_and_the_old_stays_whole(tmp_path: Path) -> None:
    first, second = read(tmp_path, "default: allow\n"), read(tmp_path, "default: deny\n")
    keep(str(tmp_path), first)
    os.mkdir(tmp_path / f"in-force.json.{os.getpid()}")
    with pytest.raises(StateError) as caught:
        keep(str(tmp_path), second)
    assert caught.value.code == "STA033"
    keep(str(tmp_path), first)
    assert latest(str(tmp_path), first) == first
