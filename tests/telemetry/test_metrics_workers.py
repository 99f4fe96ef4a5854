"""Several processes are scraped as one, and no counter ever goes down."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

from metrics_reading import parsed, value

from callgate.clock import ManualClock
from callgate.telemetry.contract import Levels
from callgate.telemetry.exposition import expose
from callgate.telemetry.metrics import Metrics
from callgate.telemetry.workers import Workers


class Worker:
    """One process's metrics, as the shell puts them together."""

    def __init__(self, directory: Path, clock: ManualClock, slot: str) -> None:
        self.metrics = Metrics(clock, lambda: Levels(sessions={"git": 1}, policies={"git": "abc"}))
        self.metrics.know("git", ["read"])
        self.workers = Workers(self.metrics, clock, str(directory), slot)

    def call(self, times: int = 1) -> None:
        for _ in range(times):
            self.metrics.judged("git", "read", "allow", None)
            self.metrics.ended("git", "read", "ok", 0.002)

    def scrape(self, name: str = "callgate_calls_total") -> float:
        labels = {"server": "git", "tool": "read"}
        if name == "callgate_calls_total":
            labels |= {"verdict": "allow", "code": ""}
        if name == "callgate_sessions":
            del labels["tool"]
        samples = parsed(expose(self.workers.totals(), None)[0].decode())
        return value(samples, name, **labels) or 0


def test_a_scrape_of_any_worker_adds_up_all(tmp_path: Path) -> None:
    clock = ManualClock()
    one, two = Worker(tmp_path, clock, "0"), Worker(tmp_path, clock, "1")
    one.call(3)
    two.call(4)
    one.workers.publish()
    assert two.scrape() == 7
    assert one.scrape() == 7
    assert one.scrape("callgate_call_duration_seconds_count") == 7
    assert one.scrape("callgate_sessions") == 2


def test_a_fact_that_all_workers_tell_is_told_once(tmp_path: Path) -> None:
    clock = ManualClock()
    one, two = Worker(tmp_path, clock, "0"), Worker(tmp_path, clock, "1")
    two.workers.publish()
    samples = parsed(expose(one.workers.totals(), None)[0].decode())
    assert value(samples, "callgate_policy_info", server="git", revision="abc") == 1
    assert value(samples, "callgate_workers") == 2
    assert sum(count for (name, _), count in samples.items() if name == "callgate_build_info") == 1


def test_what_one_worker_has_shown_the_next_one_shows_as_well(tmp_path: Path) -> None:
    clock = ManualClock()
    one, two = Worker(tmp_path, clock, "0"), Worker(tmp_path, clock, "1")
    shown = 0.0
    for _ in range(20):
        for worker in (one, two):
            worker.call()
            now = worker.scrape()
            assert now >= shown
            shown = now


def test_of_a_worker_that_is_gone_the_counters_stay_and_the_gauges_go(tmp_path: Path) -> None:
    clock = ManualClock()
    one, two = Worker(tmp_path, clock, "0"), Worker(tmp_path, clock, "1")
    two.call(5)
    two.workers.publish()
    assert one.scrape("callgate_sessions") == 2
    clock.advance(11)
    assert one.scrape("callgate_sessions") == 1
    assert one.scrape() == 5


def test_who_takes_the_place_of_a_worker_goes_on_with_its_counters(tmp_path: Path) -> None:
    clock = ManualClock()
    one, two = Worker(tmp_path, clock, "0"), Worker(tmp_path, clock, "1")
    two.call(5)
    two.workers.publish()
    for _ in range(3):
        again = Worker(tmp_path, clock, "1")
        again.call(2)
        again.workers.publish()
    assert one.scrape() == 11
    assert again.scrape() == 11
    assert len(list(tmp_path.iterdir())) == 2


def test_scrapes_in_threads_beside_the_loop_never_show_less_than_before(tmp_path: Path) -> None:
    clock = ManualClock()
    one, two = Worker(tmp_path, clock, "0"), Worker(tmp_path, clock, "1")
    shown: dict[int, list[float]] = {0: [], 1: []}

    def scrape(thread: int) -> None:
        for _ in range(20):
            shown[thread].append((one, two)[thread].scrape())

    threads = [Thread(target=scrape, args=(number,)) for number in shown]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for worker in (one, two):
            worker.call()
            worker.workers.publish()
    for thread in threads:
        thread.join()
    assert all(seen == sorted(seen) for seen in shown.values())


def test_a_file_that_cannot_be_read_counts_as_it_last_could_be(tmp_path: Path) -> None:
    clock = ManualClock()
    one, two = Worker(tmp_path, clock, "0"), Worker(tmp_path, clock, "1")
    two.call(5)
    two.workers.publish()
    assert one.scrape() == 5
    (tmp_path / "1.snapshot.json").write_bytes(b'{"at_ns": 1, "counters": {"callgate_calls": [[["\xff')
    assert one.scrape() == 5
    (tmp_path / "1.snapshot.json").unlink()
    assert one.scrape() == 5


def test_a_directory_that_cannot_be_written_leaves_the_workers_own_values(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "missing", ManualClock(), "0")
    worker.call(2)
    worker.workers.publish()
    assert worker.scrape() == 2


def test_values_are_for_the_owner_alone_and_are_never_half_written(tmp_path: Path) -> None:
    worker = Worker(tmp_path, ManualClock(), "0")
    worker.workers.publish()
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.stat().st_ino
    worker.workers.publish()
    assert path.stat().st_ino != before or path.read_bytes().endswith(b"}")


def test_processes_that_run_at_once_are_added_up(tmp_path: Path) -> None:
    """Real processes count, publish over and over and are killed; what they had published is there."""
    program = (
        "import sys\n"
        "from callgate.clock import SystemClock\n"
        "from callgate.telemetry.metrics import Metrics\n"
        "from callgate.telemetry.workers import Workers\n"
        "metrics = Metrics(SystemClock())\n"
        "workers = Workers(metrics, SystemClock(), sys.argv[1], sys.argv[2])\n"
        "metrics.know('git', ['read'])\n"
        "for _ in range(200):\n"
        "    metrics.judged('git', 'read', 'allow', None)\n"
        "    workers.publish()\n"
        "print('done', flush=True)\n"
        "sys.stdin.read()\n"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), str(slot)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ,
        )
        for slot in range(1, 3)
    ]
    watcher = Worker(tmp_path, ManualClock(monotonic_ns=0), "0")
    shown = 0.0
    for child in children:
        with child:
            assert child.stdout is not None
            now = watcher.scrape()
            assert now >= shown
            shown = now
            assert child.stdout.readline() == b"done\n"
            child.kill()
    assert watcher.scrape() == 400
