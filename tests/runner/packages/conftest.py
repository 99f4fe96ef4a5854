"""Fixtures of the package tests."""

from pathlib import Path

import pytest
from package_stores import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)
