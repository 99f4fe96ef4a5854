"""Executions as tasks: the task's id is the execution's UUID, so that both ways of asking lead to the same run."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from callgate.runner.jobs.contract import Engine, View
from callgate.runner.server.answers import answer, rfc3339
from callgate.runner.server.large_answers import LargeAnswers
from callgate.runner.server.output_text import end_of
from callgate.runner.server.owner import Caller
from callgate.runner.server.tasks import Context, Task, TaskStatus

POLL_MS = 1_000


class ExecutionTasks:
    """`tasks.TaskStore` over an engine."""

    def __init__(self, engine: Engine, caller_of: Callable[[Context], Caller], large: LargeAnswers) -> None:
        self._engine = engine
        self._large = large
        self._caller_of = caller_of

    async def get(self, context: Context, task_id: str) -> Task | None:
        """The execution of this UUID, if it is the caller's."""
        owner = self._caller_of(context).owner
        view = await self._engine.view(owner, task_id)
        end = None if view is None else await end_of(self._engine, owner, view)
        return await self._large.built(
            owner, view, lambda: self._engine.view(owner, task_id), lambda view: as_task(view, end)
        )

    async def answer(self, context: Context, task_id: str, _answers: Mapping[str, Any]) -> bool:
        """Executions ask nothing: answers are to no open question, and ignored."""
        return await self._engine.view(self._caller_of(context).owner, task_id) is not None

    async def cancel(self, context: Context, task_id: str) -> bool:
        """Ask for its end."""
        return await self._engine.cancel(self._caller_of(context).owner, task_id) is not None


def as_task(view: View, end: View | None = None) -> Task:
    """An execution as a task. One that failed is a completed task whose result says so: `failed` is for requests that
    fail."""
    execution = view.execution
    status: TaskStatus = "working"
    if execution.ended:
        status = "cancelled" if execution.state == "cancelled" else "completed"
    message = execution.state if execution.progress_text is None else execution.progress_text
    updated = execution.ended_ms or execution.started_ms or execution.created_ms
    return Task(
        task_id=execution.uuid,
        status=status,
        created_at=_time(execution.created_ms),
        updated_at=_time(updated),
        poll_ms=POLL_MS,
        message=message,
        result=_result(view, end) if status == "completed" else None,
    )


def _result(view: View, end: View | None) -> dict[str, Any]:
    result = answer(view, end=end, failure=True)
    return result.model_dump(by_alias=True, mode="json", exclude_none=True)


def _time(milliseconds: int) -> str:
    return rfc3339(milliseconds or int(datetime.now(UTC).timestamp() * 1000))
