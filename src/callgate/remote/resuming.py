"""How long to wait before a broken stream is asked for again, and how often. No I/O.

Source: MCP 2025-11-25, Streamable HTTP, "Resumability and redelivery"; WHATWG HTML, 9.2 (`retry`).
"""

MAX_TRIES = 5
"""Tries that brought nothing, one after the other."""

_FIRST_SECONDS = 0.5
_SHORTEST_SECONDS = 0.05
"""A server must not be able to keep the gate busy with streams that end at once."""

_LONGEST_SECONDS = 30.0


class Resuming:
    """`last_id` is the last event seen, None if the server gives none out."""

    def __init__(self) -> None:
        self.last_id: str | None = None
        self._retry: float | None = None
        self._tries = 0

    def saw(self, id: str | None, retry: int | None) -> None:
        """Something came: the next break is the first again."""
        self._tries = 0
        if id is not None:
            self.last_id = id or None
        if retry is not None:
            self._retry = min(max(retry / 1000, _SHORTEST_SECONDS), _LONGEST_SECONDS)

    def next_delay(self) -> float | None:
        """Seconds until the next try; None if there were enough."""
        if self._tries >= MAX_TRIES:
            return None
        delay = self._retry if self._retry is not None else _FIRST_SECONDS * 2**self._tries
        self._tries += 1
        return delay
