"""What comes back for one frame, on its way into its sink. In order, and held back while the sink's reader is slow.

Also the `Handle` of the contract. Once it is done, nothing reaches the sink any more.
"""

from collections import deque
from collections.abc import Callable

from callgate.upstream.contract import Sink, UpstreamFailure

OnCancel = Callable[[], None]
OnHeld = Callable[[int], None]


class Delivery:
    """`on_cancel` is called when nobody waits any more, `on_held` with every change of the bytes held back."""

    __slots__ = ("_held", "_paused", "_sink", "done", "on_cancel", "on_held", "opened")

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._held: deque[Callable[[], None] | tuple[bytes, str | None]] = deque()
        self._paused = False
        self.opened = False
        """Whether the sink has been told of an answer, or will be as soon as it reads on."""
        self.done = False
        """Whether nothing may follow any more."""
        self.on_cancel: OnCancel | None = None
        self.on_held: OnHeld | None = None

    def open(self, status: int = 200, *, stream: bool = True) -> None:
        """Begin the answer. What was begun already stays as it is."""
        if not (self.opened or self.done):
            self.opened = True
            self._sink.opened(status, stream=stream, session=None)

    def event(self, data: bytes, id: str | None = None) -> None:
        """One frame of a stream."""
        if not self.done:
            self.open()
            self._pass(data, id)

    def answer(self, data: bytes, id: str | None = None) -> None:
        """The last frame: of a stream, or all there is."""
        if not self.done:
            self.open(stream=False)
            self._pass(data, id)
            self.close()

    def close(self) -> None:
        """The answer is complete."""
        if not self.done:
            self.done = True
            self._last(self._sink.closed)

    def accept(self) -> None:
        """The frame was taken and wants no answer."""
        self.open(202, stream=False)
        self.close()

    def fail(self, failure: UpstreamFailure) -> None:
        """No answer, or no more of it, comes."""
        if not self.done:
            self.done = True
            self._last(lambda: self._sink.failed(failure))

    def cancel(self) -> None:
        held = sum(len(item[0]) for item in self._held if type(item) is tuple)
        self._held.clear()
        if held and self.on_held:
            self.on_held(-held)
        if not self.done:
            self.done = True
            if self.on_cancel:
                self.on_cancel()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        while self._held and not self._paused:
            item = self._held.popleft()
            if type(item) is tuple:
                self._sink.event(item[0], item[1], None)
                if self.on_held:
                    self.on_held(-len(item[0]))
            else:
                item()  # type: ignore[operator]

    def _pass(self, data: bytes, id: str | None) -> None:
        if self._paused or self._held:
            self._held.append((data, id))
            if self.on_held:
                self.on_held(len(data))
        else:
            self._sink.event(data, id, None)

    def _last(self, tell: Callable[[], None]) -> None:
        if self._paused or self._held:
            self._held.append(tell)
        else:
            tell()
