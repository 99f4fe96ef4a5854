"""The runner's bench runs, and measures what it says. No time is asserted."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

ROOT = Path(__file__).parents[2]
EXPECTED = {
    "python -I",
    "python -I -S",
    "bwrap python -I -S",
    "callgate bwrap, cold",
    "callgate bwrap, pooled",
    "callgate monty, pooled",
    "executeCode, lean client",
    "executeCode, SDK client",
    "asyncExecuteCode, journal synced",
    "asyncExecuteCode, sync: normal",
    "bare server, SDK client",
    "callgate run, SDK client",
    "inner call, journal synced",
    "inner call, sync: normal",
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every figure of a smoke run, and what was printed as `printed`."""
    assert shutil.which("bwrap"), "the bench needs bwrap: apt-get install bubblewrap"
    place = tmp_path_factory.mktemp("bench")
    words = [sys.executable, "-m", "bench.runner", "--quick", "--rounds", "1", "--markdown"]
    words += ["--cache", str(place), "--out", str(place / "out.json")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = msgspec.json.decode((place / "out.json").read_bytes())
    left = [path.name for path in (place / "work").iterdir()]
    return found | {"printed": done.stdout, "left": left}


def test_every_row_of_the_runners_bench_is_measured(measured: dict[str, Any]) -> None:
    assert measured["measured"]["failed"] == {}
    rounds = measured["measured"]["rounds"]
    assert set(rounds) >= EXPECTED
    assert all(seconds > 0 for own in rounds.values() for _, many in own for seconds in many)
    assert all(f"| {name} " in measured["printed"] for name in rounds)


def test_throughput_refilling_and_memory_of_the_runner_are_measured(measured: dict[str, Any]) -> None:
    alone = measured["loads"]
    assert [one["concurrency"] for one in alone["throughput"]] == [4]
    assert all(one["per_second"] > 0 for one in alone["throughput"])
    assert min(alone["refilling"][name] for name in ("alone", "beside_bare", "beside_pool")) > 0
    assert alone["memory"]["runner"] > 0
    assert alone["memory"]["sandbox"] > 0


def test_the_runners_bench_leaves_nothing_behind(measured: dict[str, Any]) -> None:
    assert measured["left"] == []
