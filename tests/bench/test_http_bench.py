"""The HTTP bench runs, and measures what it says: every row answers every call. No time is asserted."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("cc", "taskset", "nginx", "redis-server")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every figure of a smoke run, and what was printed as `printed`."""
    missing = [program for program in NEEDED if shutil.which(program) is None]
    assert not missing, f"the bench needs {missing}: apt-get install gcc util-linux nginx-light redis-server"
    place = tmp_path_factory.mktemp("bench")
    words = [sys.executable, "-m", "bench.http", "--quick", "--markdown", "--out", str(place / "out.json")]
    words += ["--cache", str(place), "--callgate", f"{sys.executable} -m callgate"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = msgspec.json.decode((place / "out.json").read_bytes())
    return found | {"printed": done.stdout}


def test_every_row_of_the_bench_starts_and_answers(measured: dict[str, Any]) -> None:
    assert measured["failed"] == {}
    for row in measured["rows"]:
        runs = [run for one in measured["placements"] for run in one["runs"].get(row["name"], [])]
        assert runs, row["name"]
        for run in runs:
            assert all(phase["calls"] >= phase["flight"] for phase in run["phases"]), row["name"]


def test_the_bench_counts_the_cpu_and_memory_of_the_gate_alone(measured: dict[str, Any]) -> None:
    one_core = measured["placements"][0]["runs"]
    for name, runs in one_core.items():
        for phase in runs[0]["phases"]:
            own = phase["processes"] > 0 and phase["cpu_us"] > 0 and phase["pss_kb"] > 0
            assert own is (name != "direct"), name
    assert one_core["callgate, redis"][0]["phases"][0]["beside_cpu_us"] > 0


def test_every_measured_call_through_an_audit_is_in_it_twice(measured: dict[str, Any]) -> None:
    for run in measured["placements"][0]["runs"]["callgate"]:
        assert run["records"] >= 2 * run["asked"]


def test_sessions_are_measured_and_their_calls_answered(measured: dict[str, Any]) -> None:
    runs = measured["sessions"]["runs"]
    assert sorted(map(int, runs)) == [1, 50]
    assert all(one["phases"][0]["calls"] > 0 for many in runs.values() for one in many)


def test_what_is_printed_has_a_line_for_every_row(measured: dict[str, Any]) -> None:
    for row in measured["rows"]:
        assert f"| {row['name']} " in measured["printed"]
