"""One open backend for the tests of a module."""

from collections.abc import Iterator

import pytest
from weak_runs import WeakBench


@pytest.fixture(scope="module")
def weak() -> Iterator[WeakBench]:
    made = WeakBench()
    yield made
    made.close()
