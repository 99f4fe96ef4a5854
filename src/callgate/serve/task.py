"""Questions about tasks, and subscriptions to them, from an authenticated caller: only about tasks of its own.

Sources: MCP tasks extension (2026-07-28): `tasks/*`, and `taskIds` in the filter of `subscriptions/listen`; MCP
2025-11-25, tasks. There is no list of a caller's own tasks: the gate keeps none, and a server's names everybody's.
"""

from typing import Any

import msgspec
from msgspec import Struct, structs

from callgate.serve import tasks
from callgate.serve.exchange import Exchange
from callgate.wire import replies
from callgate.wire.members import set_member
from callgate.wire.server import ServerFrame

_UNKNOWN = "the task is not known"


class _Told(Struct, rename="camel"):
    task_id: Any = None
    notifications: Any = None


class _Notification(Struct):
    params: _Told


_decode = msgspec.json.Decoder(_Notification).decode


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
            # Clients of the handshake eras take an HTTP error for the end of the session.
            self.error(400 if self.modern else 200, tasks.UNKNOWN_TASK, _UNKNOWN, "WIR074")
            return
        self.task, self.given = opened.task, opened.given
        self.forward = opened.forward
        # Headers are made from the frame: they must name what the body names.
        self.frame = structs.replace(self.frame, params={**(self.frame.params or {}), "taskId": opened.task})
        super().start()

    def answer(self, frame: ServerFrame) -> bytes | None:
        """The answer under the id that the agent knows."""
        forward = super().answer(frame)
        return None if forward is None else tasks.resealed_result(frame, self.task, self.given)


class TaskListExchange(Exchange):
    """The list of a server's tasks, which may be anybody's."""

    __slots__ = ()

    def start(self) -> None:
        """Refuse it."""
        self.refuse_method()


class ListenExchange(Exchange):
    """A subscription: it names tasks as the agent knows them, and so does what comes of it."""

    __slots__ = ("given",)

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.given: dict[str, str] = {}
        """The ids that the agent knows, by the server's own."""

    def start(self) -> None:
        """Subscribe; answer as for tasks that do not exist if one is not the caller's."""
        params = self.frame.params or {}
        wanted = params.get("notifications")
        if type(wanted) is dict and wanted.get("taskIds") is not None:
            if not self._open(wanted["taskIds"]):
                self.error(400, tasks.UNKNOWN_TASK, _UNKNOWN, "WIR074")
                return
            params = {**params, "notifications": {**wanted, "taskIds": list(self.given)}}
            self.forward = replies.json_text({**self.frame.message, "params": params})
        super().start()

    def told(self, frame: ServerFrame) -> bytes | None:
        """Nothing of any other task."""
        if frame.method not in ("notifications/tasks", "notifications/subscriptions/acknowledged"):
            return frame.forward
        try:
            params = _decode(frame.forward).params
            if frame.method == "notifications/tasks":
                given = replies.json_text(self.given[params.task_id])
                return set_member(frame.forward, ("params", "taskId"), given)
            wanted = params.notifications
            if type(wanted) is not dict or "taskIds" not in wanted:
                return frame.forward
            known = replies.json_text([self.given[task] for task in wanted["taskIds"]])
            return set_member(frame.forward, ("params", "notifications", "taskIds"), known)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, KeyError, TypeError, ValueError):
            self.drop("the server told of a task that was not asked about", "WIR055")
            return None

    def _open(self, wanted: Any) -> bool:
        if type(wanted) is not list:
            return False
        for sealed in wanted:
            opened = (
                self.shared.seal.open_task(sealed, self.guarded.name, self.caller.identity)
                if type(sealed) is str
                else None
            )
            if opened is None or self.guarded.policy.hides(opened[1]):
                return False
            self.given[opened[0]] = sealed
        return True
