"""The tools of the fixture that begin tasks, on the runner's own tasks extension.

Nothing runs in the background: what became of a task is worked out from the clock when somebody asks.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import anyio
import mcp_types as types
from mcp.server import Server
from mcp.server.mcpserver.server import require_client_extension
from msgspec import Struct
from tests.conformance.fixture_rounds import ask, field, given, question
from tests.conformance.fixture_tools import Answer, Context, Work, said, takes, tool

from callgate.runner.server.tasks import EXTENSION, Task, TasksExtension, TaskStatus, offered

LIFETIME_MS = 600_000
POLL_MS = 50


def _now() -> str:
    return datetime.now(UTC).isoformat()


class Job(Struct):
    """What a task is about. It ends `seconds` after its last question was answered, with `result` or `error`."""

    seconds: float
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    questions: dict[str, Any] = {}
    since: float = 0.0
    created: str = ""
    updated: str = ""
    cancelled: bool = False

    def status(self) -> TaskStatus:
        """What became of it by now."""
        if self.cancelled:
            return "cancelled"
        if self.questions:
            return "input_required"
        if time.monotonic() - self.since < self.seconds:
            return "working"
        return "failed" if self.error else "completed"


class Jobs:
    """`TaskStore` of this process; everybody's tasks are everybody's."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def begin(self, job: Job) -> str:
        """Keep a job; the id of its task."""
        task_id = str(uuid4())
        self._jobs[task_id] = job
        return task_id

    async def get(self, _context: Context, task_id: str) -> Task | None:
        job = self._jobs.get(task_id)
        return None if job is None else self.task(task_id, job.status())

    def task(self, task_id: str, status: TaskStatus) -> Task:
        """A task with this status."""
        job = self._jobs[task_id]
        return Task(
            task_id=task_id,
            status=status,
            created_at=job.created,
            updated_at=job.updated,
            ttl_ms=LIFETIME_MS,
            poll_ms=POLL_MS,
            result=job.result,
            error=job.error,
            questions=job.questions,
        )

    async def answer(self, _context: Context, task_id: str, answers: Mapping[str, Any]) -> bool:
        job = self._jobs.get(task_id)
        if job is not None:
            job.questions = {key: each for key, each in job.questions.items() if key not in answers}
            job.since, job.updated = time.monotonic(), _now()
        return job is not None

    async def cancel(self, _context: Context, task_id: str) -> bool:
        job = self._jobs.get(task_id)
        if job is not None and job.status() in ("working", "input_required"):
            job.cancelled, job.updated = True, _now()
        return job is not None


jobs = Jobs()


def create(
    seconds: float,
    result: types.CallToolResult | None = None,
    error: dict[str, Any] | None = None,
    questions: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Begin a task and answer the call with it."""
    made = result.model_dump(by_alias=True, mode="json", exclude_none=True) if result else None
    task_id = jobs.begin(Job(seconds, made, error, questions or {}, time.monotonic(), _now(), _now()))
    return TasksExtension.begun(jobs.task(task_id, "working"))


async def greet(_context: Context, params: types.CallToolRequestParams) -> Answer:
    return said(f"Hello, {(params.arguments or {}).get('name')}!")


async def slow_compute(context: Context, params: types.CallToolRequestParams) -> Answer:
    seconds = float((params.arguments or {}).get("seconds", 0))
    if offered(context):
        return create(seconds, said("computed"))
    await anyio.sleep(min(seconds, 1.0))
    return said("computed")


def only_as_task(seconds: float, **outcome: Any) -> Work:
    """A tool that refuses a client without the extension."""

    async def work(context: Context, _params: types.CallToolRequestParams) -> Answer:
        require_client_extension(context, EXTENSION)
        return create(seconds, **outcome)

    return work


async def task_after_question(context: Context, params: types.CallToolRequestParams) -> Answer:
    require_client_extension(context, EXTENSION)
    if not given(params, "user_name"):
        return ask({"user_name": question("What is your name?", "name")}, "asked")
    return create(0.1, said(f"Done for {field(params, 'user_name', 'name')}."))


CONFIRM = question("Really?", "confirm", "boolean")

TOOLS = (
    tool("greet", "Answers at once.", greet, takes("name")),
    tool(
        "slow_compute",
        "A task, where the client knows tasks.",
        slow_compute,
        {
            "type": "object",
            "properties": {"seconds": {"type": "number"}, "label": {"type": "string"}},
            "required": ["seconds"],
        },
    ),
    tool("failing_job", "Fails as a tool.", only_as_task(0.1, result=said("it failed", is_error=True))),
    tool(
        "protocol_error_job",
        "Fails as a request.",
        only_as_task(0.1, error={"code": types.INTERNAL_ERROR, "message": "it broke"}),
    ),
    tool(
        "confirm_delete",
        "Asks one question.",
        only_as_task(0.0, result=said("deleted"), questions={"confirm": CONFIRM}),
        takes("filename"),
    ),
    tool(
        "multi_input",
        "Asks two questions at once.",
        only_as_task(0.0, result=said("done"), questions={"first": CONFIRM, "second": CONFIRM}),
    ),
    tool("test_tool_with_task", "Asks first, then is a task.", task_after_question),
)


def install(server: Server[Any]) -> None:
    """Offer the extension."""
    TasksExtension(jobs).install(server)
