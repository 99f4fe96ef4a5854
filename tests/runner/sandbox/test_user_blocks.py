"""Runners that are root never share users: a block of them is one process's until it ends or gives it back."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from callgate.errors import SandboxError
from callgate.runner.sandbox.bwrap.user_blocks import UserBlock
from callgate.runner.sandbox.bwrap.users import Slots

_HOLD = """
import sys
from callgate.runner.sandbox.bwrap.user_blocks import UserBlock
block = UserBlock(2, sys.argv[1])
print(block.number, flush=True)
sys.stdin.read()
"""


def test_no_block_is_given_out_twice_until_it_comes_back(tmp_path: Path) -> None:
    blocks = [UserBlock(3, str(tmp_path)) for _ in range(3)]
    assert {each.number for each in blocks} == {0, 1, 2}
    with pytest.raises(SandboxError) as raised:
        UserBlock(3, str(tmp_path))
    assert raised.value.code == "SBX014"
    blocks[1].give_back()
    again = UserBlock(3, str(tmp_path))
    assert again.number == blocks[1].number
    for each in (*blocks, again):
        each.give_back()


def test_a_killed_process_leaves_its_block_to_others(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        theirs = int(other.stdout.readline())
        ours = UserBlock(2, str(tmp_path))
        assert ours.number == 1 - theirs
        other.kill()
        other.wait()
    after = UserBlock(2, str(tmp_path))
    assert after.number == theirs
    ours.give_back()
    after.give_back()


def test_a_folder_for_locks_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SandboxError) as raised:
        UserBlock(2, str(tmp_path / "missing"))
    assert raised.value.code == "SBX014"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives users")
def test_two_runners_in_one_process_have_users_of_their_own() -> None:
    one, two = Slots(), Slots()
    try:
        assert {one.user(each) for each in range(1000)}.isdisjoint(two.user(each) for each in range(1000))
    finally:
        one.close()
        two.close()
