"""Fixtures of the bridge's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bridge_bench import Folder

from callgate.transports.spawner import Spawner, fork_nursery


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture(scope="module")
def spawner() -> Iterator[Spawner]:
    made = fork_nursery()
    yield made
    made.close()
