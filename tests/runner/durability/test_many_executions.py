"""Hundreds of executions, fifty at a time: all end right, and nothing grows or is left over."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("many_executions.py")
EXECUTIONS = 150
MOST_BYTES_EACH = 25 << 10
"""What the allocator may keep; an execution that was not let go of takes more, with its script, streams and tasks."""

pytestmark = pytest.mark.xdist_group("durability")


def test_fifty_at_a_time_all_end_right_and_nothing_grows() -> None:
    command = [sys.executable, str(PROGRAM), "--executions", str(EXECUTIONS), "--concurrency", "50"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode in (0, 1), run.stderr
    found = json.loads(run.stdout)
    assert found["ends"] == {"right": EXECUTIONS}
    assert found["effects"] == [EXECUTIONS, EXECUTIONS]
    assert found["bytes_per_execution"] < MOST_BYTES_EACH, found
    # One sandbox more may just wait ready: two processes with their pipes.
    assert found["descriptors"][1] <= found["descriptors"][0] + 12, found
    assert found["threads"][1] <= found["threads"][0] + 4, found
    assert found["processes"][1] <= found["processes"][0] + 4, found
    assert (found["zombies"], found["outlived"], found["left"], found["mounts"]) == ([], [], [], 0), found
    assert found["exit_status"] == 0
