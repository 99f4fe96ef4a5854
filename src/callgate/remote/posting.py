"""One frame of the agent on its way: the POST, what comes back for it, and its stream's second life if it breaks.

The server is hostile; what it answers goes to the session, which judges what it means. Every request gets an answer,
if need be one that says why there is none.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from callgate.remote.resuming import Resuming
from callgate.upstream.contract import Handle, UpstreamFailure
from callgate.upstream.flood import FLOOD
from callgate.wire import replies
from callgate.wire.strict import ClientFrame

if TYPE_CHECKING:
    from callgate.remote.conversation import Conversation

Later = Callable[[float, Callable[[], None]], object]
"""Calls back after so many seconds."""

_LINGER_SECONDS = 5.0

_PHRASES = {
    400: "Bad Request",
    401: "Unauthorized: the server wants credentials, or other ones",
    403: "Forbidden: the credentials do not allow this",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class _Refusal(Struct):
    id: Any = None
    method: Any = UNSET
    error: Raw | UnsetType = UNSET


class _Initialized(Struct, rename="camel"):
    protocol_version: str = ""


class _Answer(Struct):
    result: _Initialized | UnsetType = UNSET


_refusal = msgspec.json.Decoder(_Refusal).decode
_answer = msgspec.json.Decoder(_Answer).decode


class Posting:
    """A `Sink` for what comes back. `modern` says in which era the frame was sent."""

    def __init__(self, conversation: "Conversation", frame: ClientFrame, size: int) -> None:
        self._conversation = conversation
        self.frame = frame
        self.modern = False
        self.handle: Handle | None = None
        self.taken = False
        """Whether the server accepted the frame."""
        self.dropped = 0
        self._size = size
        self._status = 0
        self._stream = False
        self._resuming = Resuming()
        self._cancelled = False
        self._paused = False

    def cancel(self) -> None:
        """Want nothing more of it."""
        self._cancelled = True
        self.account()
        if self.handle is not None:
            self.handle.cancel()

    def pause(self) -> None:
        self._paused = True
        if self.handle is not None:
            self.handle.pause()

    def resume(self) -> None:
        self._paused = False
        if self.handle is not None:
            self.handle.resume()

    def account(self) -> None:
        """The frame's bytes no longer wait."""
        self._conversation.unsent -= self._size
        self._size = 0

    # What comes back.

    def opened(self, status: int, *, stream: bool, session: str | None) -> None:
        self.account()
        self._status = status
        self._stream = self._stream or stream
        self.taken = status < 300
        self._conversation.began(self, session)

    def event(self, data: bytes, id: str | None, retry: int | None) -> None:
        if self._cancelled:
            return
        self._resuming.saw(id, retry)
        if not data:
            return
        conversation = self._conversation
        conversation.stir()
        if self.frame.kind != "request":
            if self.taken:
                conversation.heard(data, self)
            return
        if not self._stream:
            line = self._addressed(data)
            if line is None:
                return
            data = line
        if self.frame.method == "initialize":
            self._note_version(data)
        conversation.heard(data, self)
        if self._stream and not conversation.session.is_open(self.frame.id):
            # The server ends the stream now. If it does not, there is still nothing to wait for.
            conversation.later(_LINGER_SECONDS, self._close)

    def closed(self) -> None:
        if self._cancelled:
            return
        if self._status >= 400:
            self._end(UpstreamFailure("closed", "UPS034", f"the server answered with {self._words()}"))
        else:
            text = "the server closed its answer without the response to the request"
            self._end(UpstreamFailure("closed", "UPS033", text))

    def failed(self, failure: UpstreamFailure) -> None:
        if failure.kind == "unknown_session":
            self._conversation.session_lost()
        if not self._cancelled:
            self._end(failure)

    def flooded(self) -> None:
        """What came of it was too much that is not valid: whoever waits for its answer is told so."""
        self.cancel()
        self._end(FLOOD)

    def _end(self, failure: UpstreamFailure) -> None:
        """Nothing more comes: resume, or say why there is no answer if one is due."""
        conversation = self._conversation
        self.account()
        request_id = self.frame.id
        if self.frame.kind != "request" or request_id is None:
            if not self.taken:
                conversation.broke(failure)
        elif conversation.session.is_open(request_id):
            if self._resumes(failure):
                return
            conversation.broke(failure)
            conversation.stir()
            conversation.session.lost(request_id, failure.code, failure.text, ran=failure.ran)
        conversation.over(self)

    def _close(self) -> None:
        if not self._cancelled:
            self.cancel()
            self._conversation.over(self)

    def _resumes(self, failure: UpstreamFailure) -> bool:
        """Ask for the rest of a stream of the legacy era, which is not over because it broke."""
        broke = failure.kind in ("closed", "timeout", "unreachable") and failure.code != "UPS034"
        if self.modern or not self._stream or not broke or self._resuming.last_id is None:
            return False
        delay = self._resuming.next_delay()
        if delay is None:
            return False
        self._conversation.later(delay, self._listen)
        return True

    def _listen(self) -> None:
        if self._cancelled:
            return
        conversation = self._conversation
        self.handle = conversation.upstream.listen(conversation.legacy_route(), self._resuming.last_id, self)
        if self._paused:
            self.handle.pause()

    def _addressed(self, line: bytes) -> bytes | None:
        """An answer that may not have known which request it is for, under this one's id; None: it is no answer.

        A server that refuses a request before it has read it answers with the id null, or none (MCP 2026-07-28).
        """
        refused = self._status >= 400
        try:
            body = _refusal(line)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None if refused else line
        if body.error is UNSET or body.method is not UNSET:
            return None if refused else line
        if body.id == self.frame.id or not (refused or body.id is None):
            return line
        return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (replies.json_text(self.frame.id), bytes(body.error))

    def _note_version(self, line: bytes) -> None:
        try:
            answer = _answer(line)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return
        if answer.result is not UNSET:
            version = answer.result.protocol_version
            if len(version) == 10 and version.isascii() and version.replace("-", "").isdigit():
                self._conversation.agreed(version)

    def _words(self) -> str:
        phrase = _PHRASES.get(self._status)
        return f"status {self._status}" + (f" ({phrase})" if phrase else "")
