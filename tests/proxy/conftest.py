"""Plays whose end is checked: whatever arrived must have been claimed."""

from collections.abc import Callable, Iterator

import pytest
from playbook import Playbook


@pytest.fixture
def play() -> Iterator[Callable[..., Playbook]]:
    """Open a play with a policy; at the end of the test nothing may be left unclaimed."""
    opened: list[Playbook] = []

    def opening(policy: str = "default: allow") -> Playbook:
        opened.append(Playbook(policy))
        return opened[-1]

    yield opening
    for one in opened:
        one.ends()
