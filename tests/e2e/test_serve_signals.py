"""A signal at the first moment that anybody can send one is heard."""

import signal
from pathlib import Path

import pytest
from tests.support.lean_process import LeanServer
from tests.support.serve_process import ServeProcess


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_reads_that_it_listens_may_end_it_at_once(tmp_path: Path, number: int) -> None:
    with LeanServer() as lean:
        for attempt in range(3):
            folder = tmp_path / str(attempt)
            with ServeProcess(
                folder, {"srv": {"url": lean.url}}, settings={"state": "memory://"}, wait=False
            ) as gate:
                gate.wait_for_line(lambda line: "listening on" in line)
                gate.process.send_signal(number)
                assert gate.wait(20) == 0
