"""Which files of a serving gate changed: each told once, and never while somebody writes to it."""

import os
from pathlib import Path

import pytest
from config_files import load
from test_config_meaning import WHOLE

from callgate.clock import ManualClock
from callgate.config.model import ServeConfig
from callgate.config.watch import POLL_SECONDS, RETRY_SECONDS, FilesWatch, watched_files
from callgate.filestate import look_at
from callgate.policyloader import SETTLE_SECONDS


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def config(tmp_path: Path) -> ServeConfig:
    return load(tmp_path, WHOLE).config


@pytest.fixture
def watch(config: ServeConfig, clock: ManualClock) -> FilesWatch:
    return FilesWatch(config, clock, {})


def touch(file: Path, text: str) -> None:
    """Write, with a time of change that no earlier write can have."""
    before = os.stat(file).st_mtime_ns if file.exists() else 0
    file.write_text(text)
    os.utime(file, ns=(before + 1_000_000, before + 1_000_000))


def polled(watch: FilesWatch, clock: ManualClock, times: int = 1) -> list[tuple[str, str]]:
    """What is told over some ticks of the timer."""
    found: list[tuple[str, str]] = []
    for _ in range(times):
        found += [(Path(each.path).name, each.kind) for each in watch.poll()]
        clock.advance(POLL_SECONDS)
    return found


def test_every_file_that_the_configuration_depends_on_is_watched(config: ServeConfig, tmp_path: Path) -> None:
    assert watched_files(config) == {
        str(tmp_path / "callgate.yaml"): "config",
        str(tmp_path / "git.yaml"): "policy",
        str(tmp_path / "keys.yaml"): "keys",
        str(tmp_path / "jwks.json"): "jwks",
        str(tmp_path / "tls.crt"): "tls",
        str(tmp_path / "tls.key"): "tls",
        str(tmp_path / "ca.pem"): "ca",
        str(tmp_path / "token"): "secret",
    }


def test_files_left_alone_are_not_told_of(watch: FilesWatch, clock: ManualClock) -> None:
    assert polled(watch, clock, 10) == []


@pytest.mark.parametrize(
    "name", ["callgate.yaml", "git.yaml", "keys.yaml", "jwks.json", "tls.key", "ca.pem", "token"]
)
def test_a_change_is_told_of_once_it_rests_and_then_no_more(
    watch: FilesWatch, clock: ManualClock, tmp_path: Path, name: str
) -> None:
    touch(tmp_path / name, "x")
    assert polled(watch, clock) == []
    assert [found for found, _ in polled(watch, clock)] == [name]
    assert polled(watch, clock, 5) == []


def test_a_file_that_is_being_written_to_is_not_told_of(
    watch: FilesWatch, clock: ManualClock, tmp_path: Path
) -> None:
    for number in range(20):
        touch(tmp_path / "git.yaml", "x" * number)
        assert watch.poll() == ()
        clock.advance(SETTLE_SECONDS / 2)
        assert watch.poll() == ()
        clock.advance(SETTLE_SECONDS / 3)
    clock.advance(SETTLE_SECONDS)
    assert polled(watch, clock) == [("git.yaml", "policy")]


def test_a_file_that_is_away_for_a_moment_has_not_changed(
    watch: FilesWatch, clock: ManualClock, tmp_path: Path
) -> None:
    os.rename(tmp_path / "tls.crt", tmp_path / "old")
    assert watch.poll() == ()
    os.link(tmp_path / "old", tmp_path / "tls.crt")
    os.unlink(tmp_path / "old")
    # Its time of change is another, as after any rename: that is told, and that it was away is not.
    assert polled(watch, clock, 4) == [("tls.crt", "tls")]


def test_a_file_that_stays_away_is_told_of(watch: FilesWatch, clock: ManualClock, tmp_path: Path) -> None:
    os.unlink(tmp_path / "keys.yaml")
    assert polled(watch, clock, 4) == [("keys.yaml", "keys")]


def test_a_folder_that_is_switched_by_a_symbolic_link_is_noticed(tmp_path: Path, clock: ManualClock) -> None:
    """As Kubernetes replaces what is mounted from a ConfigMap."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
    load(tmp_path / "one", WHOLE)
    load(tmp_path / "two", WHOLE)
    (tmp_path / "data").symlink_to("one")
    text = (tmp_path / "one/callgate.yaml").read_text()
    config = load(tmp_path, text.replace("git.yaml", "data/git.yaml")).config
    watch = FilesWatch(config, clock, {})
    (tmp_path / "next").symlink_to("two")
    os.rename(tmp_path / "next", tmp_path / "data")
    assert polled(watch, clock, 4) == [("git.yaml", "policy")]


def test_a_change_between_reading_and_watching_is_not_missed(tmp_path: Path, clock: ManualClock) -> None:
    loaded = load(tmp_path, WHOLE)
    touch(tmp_path / "git.yaml", "x")
    watch = FilesWatch(loaded.config, clock, loaded.seen)
    assert polled(watch, clock, 2) == [("git.yaml", "policy")]


def test_what_could_not_be_read_is_told_of_again_in_a_while(
    watch: FilesWatch, clock: ManualClock, tmp_path: Path
) -> None:
    touch(tmp_path / "git.yaml", "x")
    assert polled(watch, clock, 2) == [("git.yaml", "policy")]
    watch.unread(str(tmp_path / "git.yaml"))
    watch.unread(str(tmp_path / "nobody-watches-this"))
    assert watch.poll() == ()
    clock.advance(RETRY_SECONDS)
    assert polled(watch, clock, 4) == [("git.yaml", "policy")]


def test_another_configuration_brings_other_files(
    watch: FilesWatch, clock: ManualClock, tmp_path: Path
) -> None:
    touch(tmp_path / "keys.yaml", "x")
    loaded = load(tmp_path, WHOLE.replace("git.yaml", "docs.yaml"))
    watch.follow(loaded.config, loaded.seen)
    touch(tmp_path / "git.yaml", "nobody looks at it any more")
    touch(tmp_path / "docs.yaml", "x")
    # What changed under the configuration of before is still told.
    assert sorted(polled(watch, clock, 4)) == [("docs.yaml", "policy"), ("keys.yaml", "keys")]


def test_the_state_before_reading_is_what_counts(tmp_path: Path) -> None:
    loaded = load(tmp_path, WHOLE)
    assert loaded.seen[str(tmp_path / "git.yaml")] == look_at(str(tmp_path / "git.yaml"))
    touch(tmp_path / "git.yaml", "x")
    assert not loaded.is_current()
