"""No schema and no arguments crash, stall or open the check; each case runs where a crash would be seen."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_schemas import CASES, MAY_PASS, VIOLATES

HERE = Path(__file__).parent
SECONDS = 2.0


@pytest.fixture(scope="module")
def outcomes() -> dict[str, tuple[str, float]]:
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent / "src")}
    ran = subprocess.run(
        [sys.executable, str(HERE / "hostile_schemas.py")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = [line.split("\t") for line in ran.stdout.splitlines()]
    assert ran.returncode == 0, f"it died after {found[-1:]}: {ran.stderr[-500:]}"
    return {name: (outcome, float(seconds)) for name, outcome, seconds in found}


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_schema_is_refused_or_checked_quickly(
    name: str, outcomes: dict[str, tuple[str, float]]
) -> None:
    outcome, seconds = outcomes[name]
    assert seconds < SECONDS
    if name in VIOLATES:
        assert outcome in ("violation", "problem")
    elif name not in MAY_PASS:
        assert outcome == "problem"
