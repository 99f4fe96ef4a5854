"""Several processes that begin on the same new file all get to use it."""

import multiprocessing
from pathlib import Path

from callgate.clock import SystemClock
from callgate.state.sqlite import SqliteLedger

TRIES, PROCESSES = 12, 4


def _open_all(
    folder: str, start: "multiprocessing.synchronize.Barrier", failed: "multiprocessing.Queue[str]"
) -> None:
    for number in range(TRIES):
        ledger = SqliteLedger(f"{folder}/{number}.db", SystemClock(), synchronous="NORMAL")
        start.wait(60)
        try:
            ledger.open()
        except Exception as error:
            failed.put(f"{number}: {error}")
        ledger.close()


def test_processes_that_open_a_new_file_at_once_all_succeed(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, failed = context.Barrier(PROCESSES), context.Queue()
    workers = [
        context.Process(target=_open_all, args=(str(tmp_path), start, failed)) for _ in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    assert failed.empty(), failed.get()
    failed.close()
    failed.join_thread()
