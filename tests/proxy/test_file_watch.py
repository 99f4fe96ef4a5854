"""A policy file that is being written is not read; one that changed and rests is read once."""

import os
from pathlib import Path

import pytest

from callgate.clock import ManualClock
from callgate.filestate import look_at
from callgate.policyloader import SETTLE_SECONDS
from callgate.proxy.watch import PATIENCE_SECONDS, RETRY_SECONDS, FileWatch


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text("default: deny\n")
    return path


def watching(file: Path, clock: ManualClock) -> FileWatch:
    return FileWatch(str(file), clock, look_at(str(file)))


def touch(file: Path, text: str) -> None:
    """Write, with a time of change that no earlier write can have."""
    before = os.stat(file).st_mtime_ns if file.exists() else 0
    file.write_text(text)
    os.utime(file, ns=(before + 1_000_000, before + 1_000_000))


def test_a_file_left_alone_stays_the_same(file: Path, clock: ManualClock) -> None:
    watch = watching(file, clock)
    clock.advance(1000)
    assert watch.check() == "same"


def test_a_change_is_held_back_until_the_file_has_rested_and_is_then_told_once(
    file: Path, clock: ManualClock
) -> None:
    watch = watching(file, clock)
    touch(file, "default: allow\n")
    assert watch.check() == "settling"
    clock.advance(SETTLE_SECONDS / 2)
    assert watch.check() == "settling"
    touch(file, "default: deny # again\n")
    clock.advance(SETTLE_SECONDS / 2)
    assert watch.check() == "settling"
    clock.advance(SETTLE_SECONDS)
    assert watch.check() == "changed"
    assert watch.check() == "same"


def test_a_file_that_never_rests_does_not_hold_calls_back_for_ever_and_is_read_when_it_rests(
    file: Path, clock: ManualClock
) -> None:
    watch = watching(file, clock)
    answers = []
    for count in range(round(PATIENCE_SECONDS / (SETTLE_SECONDS / 2)) + 2):
        touch(file, f"default: deny # {count}\n")
        answers.append(watch.check())
        clock.advance(SETTLE_SECONDS / 2)
    assert set(answers[:-2]) == {"settling"}
    assert "changed" not in answers
    assert "same" in answers[-2:]
    watch.check()
    clock.advance(SETTLE_SECONDS)
    assert watch.check() == "changed"


@pytest.mark.parametrize("what", ["deleted", "replaced", "linked elsewhere"])
def test_every_way_of_putting_another_file_there_is_noticed(
    file: Path, clock: ManualClock, tmp_path: Path, what: str
) -> None:
    watch = watching(file, clock)
    other = tmp_path / "other.yaml"
    other.write_text("default: deny\n")
    status = os.stat(file)
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    if what == "deleted":
        file.unlink()
    elif what == "replaced":
        other.rename(file)
    else:
        file.unlink()
        file.symlink_to(other)
    assert watch.check() == "settling"
    clock.advance(SETTLE_SECONDS)
    assert watch.check() == "changed"


def test_a_change_between_looking_and_watching_is_not_lost(file: Path, clock: ManualClock) -> None:
    seen = look_at(str(file))
    touch(file, "default: allow\n")
    watch = FileWatch(str(file), clock, seen)
    watch.check()
    clock.advance(SETTLE_SECONDS)
    assert watch.check() == "changed"


def test_a_change_that_could_not_be_read_is_told_of_again_and_holds_nothing_back_meanwhile(
    file: Path, clock: ManualClock
) -> None:
    watch = watching(file, clock)
    touch(file, "default: allow\n")
    watch.check()
    clock.advance(SETTLE_SECONDS)
    assert watch.check() == "changed"
    watch.unread()
    assert watch.check() == "same"
    clock.advance(RETRY_SECONDS)
    assert watch.check() == "settling"
    clock.advance(SETTLE_SECONDS)
    assert watch.check() == "changed"
    assert watch.check() == "same"
