"""Memory for large bodies is used again, not fetched anew."""

import os
import subprocess
import sys

import pytest

MEASURE = """
import resource, sys
from callgate.http1.allocation import keep_freed_memory
if "keep" in sys.argv and not keep_freed_memory():
    sys.exit(77)
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def body():
    one, other = bytearray(1 << 20), bytearray(3 << 20)
    one[::4096] = other[: 1 << 20 : 4096]
    del one
    other[::4096] = bytes(768)
for _ in range(3):
    body()
before = faults()
for _ in range(20):
    body()
print(faults() - before)
"""


def faults(*arguments: str) -> int:
    # The library's own guess at good thresholds depends on what ran before: begin with fixed ones.
    fixed = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **fixed},
    )
    if done.returncode == 77:
        pytest.skip("the C library is not glibc")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_memory_that_was_freed_is_used_again_without_asking_the_system() -> None:
    kept, fetched = faults("keep"), faults()
    assert kept < 200
    assert fetched > 10 * 256
