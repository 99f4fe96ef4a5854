"""What is left behind the weaker walls when the runner is killed, and that the next runner clears it away."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from killed_weak_host import MOMENTS
from weak_runs import WeakBench

HERE = Path(__file__).parent


def test_nothing_outlives_a_killed_runner_and_the_next_one_removes_its_folders(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(dir="/tmp")  # pytest's own are closed to the users of scripts
    os.chmod(folder, 0o711)  # noqa: S103
    request.addfinalizer(lambda: shutil.rmtree(folder))
    done = subprocess.run(
        [sys.executable, str(HERE / "killed_weak_host.py")],
        env=os.environ | {"TMPDIR": folder},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == list(MOMENTS), done.stderr
    assert os.listdir(folder)
    monkeypatch.setattr(tempfile, "tempdir", folder)
    bench = WeakBench()
    assert len(os.listdir(folder)) == 1
    bench.close()
    assert os.listdir(folder) == []


def test_no_process_and_no_descriptor_is_left_after_closing() -> None:
    descriptors, children = len(os.listdir("/proc/self/fd")), _children()
    bench = WeakBench()
    for _ in range(3):
        bench.run("open('f', 'w')")
    bench.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert _children() == children


def _children() -> set[str]:
    """The processes, zombies too, that this one has started: other tests' servers among them."""
    return {
        child
        for task in os.listdir("/proc/self/task")
        for child in Path(f"/proc/self/task/{task}/children").read_text().split()
    }
