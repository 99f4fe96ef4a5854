"""One open backend for the tests of a module."""

from collections.abc import Iterator

import pytest
from sandbox_runs import Bench


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()
