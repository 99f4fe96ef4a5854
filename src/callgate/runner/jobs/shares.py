"""Who may have how many of a worker's places, so that nobody's executions keep everybody else waiting. Pure."""

from collections import Counter


class Shares:
    """An owner may hold all places but one; with a single place there is nothing to share."""

    def __init__(self, places: int) -> None:
        self._most = max(places - 1, 1)
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, dict[str, None]] = {}

    def enter(self, owner: str, uuid: str) -> bool:
        """Whether `owner` may take a place now. If not, the execution waits until `leave` names it."""
        if self._held[owner] >= self._most:
            self._waiting.setdefault(owner, {})[uuid] = None
            return False
        self._held[owner] += 1
        return True

    def leave(self, owner: str) -> str | None:
        """Give a place back; returns the owner's execution that has waited longest, which may try again."""
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]
        waiting = self._waiting.get(owner)
        if not waiting:
            return None
        uuid = next(iter(waiting))
        del waiting[uuid]
        if not waiting:
            del self._waiting[owner]
        return uuid
