"""A question about a task, from an authenticated caller: only about tasks of its own (MCP tasks extension)."""

from typing import Any

from msgspec import structs

from callgate.serve import tasks
from callgate.serve.exchange import Exchange
from callgate.wire.server import ServerFrame


class TaskExchange(Exchange):
    """The agent's task id is opened on the way there and put back on the way back."""

    __slots__ = ("given", "task")

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.task = self.given = ""

    def start(self) -> None:
        """Send the question on, or answer as for a task that does not exist."""
        opened = tasks.opened_request(self.shared.seal, self.frame, self.guarded.name, self.caller.identity)
        if opened is None or self.guarded.policy.hides(opened.tool):
            self.error(400, tasks.UNKNOWN_TASK, "the task is not known", "WIR074")
            return
        self.task, self.given = opened.task, opened.given
        self.forward = opened.forward
        # Headers are made from the frame: they must name what the body names.
        self.frame = structs.replace(self.frame, params={**(self.frame.params or {}), "taskId": opened.task})
        self.send()

    def answer(self, frame: ServerFrame) -> bytes | None:
        """The answer under the id that the agent knows."""
        forward = super().answer(frame)
        return None if forward is None else tasks.resealed_result(frame, self.task, self.given)
