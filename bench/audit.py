"""What a record costs: `python bench/audit.py [--directory DIR]` prints a table on standard output.

For batches of several sizes: one `append` with and without waiting for the disk, beside a bare `write` of as
many bytes (and `write` + `fdatasync`) to a file in the same directory. Rounds are interleaved, so that a busy
machine disturbs all alike; the figures are the medians of single calls. Then the two SHA-256, and the speed of
verification. The ratios carry over to other machines, the microseconds do not.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from callgate import digest
from callgate.audit.chain import ORIGIN, seal
from callgate.audit.encode import encode
from callgate.audit.jsonl import JsonlAudit
from callgate.audit.logfile import sync_data
from callgate.audit.record import DecisionRecord
from callgate.audit.verify import lines_of, verify
from callgate.clock import SystemClock

RECORD = DecisionRecord(
    "01JBENCH0000000000000001",
    "2026-03-01T09:30:00.125Z",
    "session",
    "local",
    "files",
    "read_file",
    "allow",
    "0123456789ab",
    request=17,
    arguments="sha256:" + "5" * 64,
    charges=1,
)
BATCHES = (1, 2, 8, 64)


def main() -> None:
    parser = argparse.ArgumentParser(description="cost of the audit")
    parser.add_argument("--directory", default=None, help="where to write (the disk that is measured)")
    with tempfile.TemporaryDirectory(dir=parser.parse_args().directory) as directory:
        measure_appends(directory)
        measure_digests()
        measure_verification(directory)


def measure_appends(directory: str) -> None:
    """Print a row for each size of batch."""
    fast = open_audit(directory, "none")
    durable = open_audit(directory, "full")
    bare = os.open(os.path.join(directory, "bare"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    # A batch as large as shows load, and the look at the path that notices it: as under load, not as at start.
    for audit in (fast, durable):
        audit.append([RECORD] * 600)
    time.sleep(1.1)
    print("records  write  append none  beside  per record  ratio | write+fdatasync  append full  ratio")
    for count in BATCHES:
        batch = [RECORD] * count
        block = b"x" * (len(seal([encode(RECORD)], 1000, ORIGIN, digest.lean)[0]) * count)

        def write(block: bytes = block) -> None:
            os.write(bare, block)

        def write_durably(block: bytes = block) -> None:
            os.write(bare, block)
            sync_data(bare)

        def append(batch: list[DecisionRecord] = batch) -> None:
            fast.append(batch)

        def append_durably(batch: list[DecisionRecord] = batch) -> None:
            durable.append(batch)

        # Few enough bytes that the kernel's own writing back does not become what is measured.
        bare_us, append_us = medians([write, append], rounds=40, calls=max(4, 100 // count))
        disk_us, durable_us = medians([write_durably, append_durably], rounds=60, calls=2)
        beside = append_us - bare_us
        print(
            f"{count:7} {bare_us:6.2f} {append_us:12.2f} {beside:7.2f} {beside / count:11.2f} "
            f"{append_us / bare_us:6.1f} | {disk_us:15.1f} {durable_us:12.1f} {durable_us / disk_us:6.2f}"
        )
    os.close(bare)


def medians(actions: list[Callable[[], None]], *, rounds: int, calls: int) -> list[float]:
    """The median microseconds of one call of each action, taken in turns."""
    taken: list[list[int]] = [[] for _ in actions]
    now = time.perf_counter_ns
    for _ in range(rounds):
        for action, times in zip(actions, taken, strict=True):
            for _ in range(calls):
                before = now()
                action()
                times.append(now() - before)
    return [statistics.median(times) / 1000 for times in taken]


def measure_digests() -> None:
    """Print µs for one record and what loading costs, for both implementations of SHA-256."""
    encoded = [encode(RECORD)]
    names = {"lean": digest.lean, "fast": digest.fast()}
    figures = medians(
        [lambda sha256=sha256: seal(encoded, 1000, ORIGIN, sha256) for sha256 in names.values()],  # type: ignore[misc]
        rounds=50,
        calls=200,
    )
    for name, figure in zip(names, figures, strict=True):
        milliseconds, kilobytes = loading_cost(name)
        print(
            f"sha256 {name}: {figure:.2f} µs to seal a record, loading {milliseconds} ms and {kilobytes} kB PSS"
        )


def loading_cost(name: str) -> list[str]:
    """Milliseconds and kB of the first use of an implementation in a new process."""
    module = "hashlib" if name == "fast" else digest.lean.__module__
    program = (
        "import time, msgspec\n"
        "pss = lambda: next(int(l.split()[1]) for l in open('/proc/self/smaps_rollup') if l.startswith('Pss:'))\n"
        "before, start = pss(), time.perf_counter()\n"
        f"import {module}\n"
        f"{module}.sha256(b'x').hexdigest()\n"
        "print(f'{(time.perf_counter() - start) * 1000:.1f}', pss() - before)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return ran.stdout.split()


def measure_verification(directory: str) -> None:
    """Print how many records are verified in a second."""
    audit = open_audit(directory, "none", "verified")
    for _ in range(500):
        audit.append([RECORD] * 100)
    with open(audit.path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        before = time.perf_counter()
        report = verify(lines_of(file))
        seconds = time.perf_counter() - before
    if not report.intact:
        raise SystemExit("the file does not verify")
    print(f"verify: {report.records / seconds:,.0f} records/s, {size / seconds / 1e6:.0f} MB/s")


def open_audit(directory: str, sync: str, name: str | None = None) -> JsonlAudit:
    path = os.path.join(directory, name or sync)
    return JsonlAudit(path, sync="full" if sync == "full" else "none", clock=SystemClock())


main()
