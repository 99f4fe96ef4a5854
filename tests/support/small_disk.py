"""A file system of its own that a test can fill or make read-only. Asserts nothing but that it can be mounted."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a tmpfs of `size` (as mount(8) writes it: `64k`) at `folder`, which is made; gone afterwards."""
    folder.mkdir(0o700)
    options = f"size={size},mode=0700"
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True, check=False
    )
    if mounting.returncode != 0:
        pytest.fail("this test mounts a small file system: run it as root, where mounting is permitted")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
