"""The stream of what a server of the legacy era says without being asked: open as long as the session.

A server need not offer it. One that breaks is asked for again, with the last event seen, a bounded number of times.
"""

from typing import TYPE_CHECKING

from callgate.remote.resuming import Resuming
from callgate.upstream.contract import Handle, UpstreamFailure
from callgate.upstream.flood import FLOOD

if TYPE_CHECKING:
    from callgate.remote.conversation import Conversation


class Listening:
    """A `Sink` that opens its own stream."""

    def __init__(self, conversation: "Conversation") -> None:
        self._conversation = conversation
        self._resuming = Resuming()
        self.dropped = 0
        self._handle: Handle | None = None
        self._offered = False
        self._over = False
        self._paused = False
        self._open()

    def cancel(self) -> None:
        self._over = True
        if self._handle is not None:
            self._handle.cancel()

    def flooded(self) -> None:
        """What it brought was too much that is not valid."""
        self.cancel()
        self._conversation.broke(FLOOD)

    def pause(self) -> None:
        self._paused = True
        if self._handle is not None:
            self._handle.pause()

    def resume(self) -> None:
        self._paused = False
        if self._handle is not None:
            self._handle.resume()

    def opened(self, status: int, *, stream: bool, session: str | None) -> None:  # noqa: ARG002
        if stream:
            self._offered = True
        else:
            # 405 means that there is none; any other status says no more than that.
            self._over = True
            level = "debug" if status == 405 or not self._offered else "warning"
            self._conversation.log(
                level, f"the server offers no stream of its own messages (status {status})"
            )

    def event(self, data: bytes, id: str | None, retry: int | None) -> None:
        if self._over:
            return
        self._resuming.saw(id, retry)
        if data:
            self._conversation.stir()
            self._conversation.heard(data, self)

    def closed(self) -> None:
        self._again()

    def failed(self, failure: UpstreamFailure) -> None:
        if failure.kind == "unknown_session":
            self._conversation.session_lost()
        elif not self._over:
            if self._offered or failure.kind in ("unreachable", "timeout", "closed"):
                self._again()
            else:
                self._conversation.log("warning", f"[{failure.code}] {failure.text}")

    def _open(self) -> None:
        if self._over:
            return
        conversation = self._conversation
        self._handle = conversation.upstream.listen(conversation.legacy_route(), self._resuming.last_id, self)
        if self._paused:
            self._handle.pause()

    def _again(self) -> None:
        if self._over:
            return
        delay = self._resuming.next_delay()
        if delay is None:
            self._over = True
            self._conversation.log("warning", "the server's stream of its own messages cannot be kept open")
        else:
            self._conversation.later(delay, self._open)
