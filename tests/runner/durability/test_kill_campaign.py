"""Whoever is killed, and when: what was acknowledged comes to a true end, nothing happens twice, nothing is left over.

A longer campaign, or one with the seed of a failure: `python tests/runner/durability/campaign.py --help`.
"""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).with_name("campaign.py")
KILLS = 5
PATIENCE_SECONDS = 300

pytestmark = pytest.mark.xdist_group("durability")


@pytest.mark.parametrize("topology", ["alone", "shared"])
def test_everything_acknowledged_ends_truly_whoever_is_killed(topology: str) -> None:
    seed = random.SystemRandom().getrandbits(32)
    command = [sys.executable, str(CAMPAIGN), "--topology", topology]
    run = subprocess.run(
        [*command, "--kills", str(KILLS), "--seed", str(seed)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert run.returncode in (0, 1), f"seed {seed}\n{run.stdout}\n{run.stderr}"
    found = json.loads(run.stdout)
    assert found["wrong"] == [], run.stdout
    assert found["states"].get("completed", 0) > 0, run.stdout
