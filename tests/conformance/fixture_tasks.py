"""The tasks extension of the fixture. The SDK has none: results are made here, as they stand on the wire.

Nothing runs in the background: what became of a task is worked out from the clock when somebody asks.
"""

import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import anyio
import mcp_types as types
from mcp.server import Server
from mcp.server.mcpserver.server import require_client_extension
from mcp.shared.exceptions import MCPError
from msgspec import Struct
from pydantic import Field
from tests.conformance.fixture_rounds import ask, field, given, question
from tests.conformance.fixture_tools import Answer, Context, Work, declared, said, takes, tool

EXTENSION = "io.modelcontextprotocol/tasks"
LIFETIME_MS = 600_000
POLL_MS = 50


def _now() -> str:
    return datetime.now(UTC).isoformat()


class Task(Struct):
    """One task. It ends `seconds` after its last question was answered, with `result` or `error`."""

    task_id: str
    seconds: float
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    questions: dict[str, Any] = {}
    since: float = 0.0
    created: str = ""
    updated: str = ""
    cancelled: bool = False

    def status(self) -> str:
        """What became of it by now."""
        if self.cancelled:
            return "cancelled"
        if self.questions:
            return "input_required"
        if time.monotonic() - self.since < self.seconds:
            return "working"
        return "failed" if self.error else "completed"

    def envelope(self, result_type: str) -> dict[str, Any]:
        """What every answer about it says."""
        return {
            "resultType": result_type,
            "taskId": self.task_id,
            "status": self.status(),
            "createdAt": self.created,
            "lastUpdatedAt": self.updated,
            "ttlMs": LIFETIME_MS,
            "pollIntervalMs": POLL_MS,
        }


tasks: dict[str, Task] = {}


def create(
    seconds: float,
    result: types.CallToolResult | None = None,
    error: dict[str, Any] | None = None,
    questions: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Begin a task and answer the call with it."""
    made = result.model_dump(by_alias=True, mode="json", exclude_none=True) if result else None
    task = Task(str(uuid4()), seconds, made, error, questions or {}, time.monotonic(), _now(), _now())
    tasks[task.task_id] = task
    return task.envelope("task") | {"status": "working"}


class TaskParams(types.RequestParams):
    """What a task is asked with."""

    task_id: str = Field(alias="taskId")
    input_responses: dict[str, Any] = Field(default_factory=dict, alias="inputResponses")


def _find(context: Context, params: TaskParams) -> Task:
    require_client_extension(context, EXTENSION)
    if context.request is not None and context.request.headers.get("mcp-name") != params.task_id:
        raise MCPError(types.HEADER_MISMATCH, "mcp-name is not the task's id")
    task = tasks.get(params.task_id)
    if task is None:
        raise MCPError(types.INVALID_PARAMS, "no such task")
    return task


async def get(context: Context, params: TaskParams) -> dict[str, Any]:
    """`tasks/get`."""
    task = _find(context, params)
    answer = task.envelope("complete")
    match answer["status"]:
        case "completed":
            answer["result"] = task.result
        case "failed":
            answer["error"] = task.error
        case "input_required":
            answer["inputRequests"] = task.questions
    return answer


async def update(context: Context, params: TaskParams) -> dict[str, Any]:
    """`tasks/update`."""
    task = _find(context, params)
    task.questions = {k: v for k, v in task.questions.items() if k not in params.input_responses}
    task.since, task.updated = time.monotonic(), _now()
    return {"resultType": "complete"}


async def cancel(context: Context, params: TaskParams) -> dict[str, Any]:
    """`tasks/cancel`."""
    task = _find(context, params)
    if task.status() in ("working", "input_required"):
        task.cancelled, task.updated = True, _now()
    return {"resultType": "complete"}


def can_have_tasks(context: Context) -> bool:
    """Whether this request declares the extension."""
    return EXTENSION in (declared(context).extensions or {})


async def greet(_context: Context, params: types.CallToolRequestParams) -> Answer:
    return said(f"Hello, {(params.arguments or {}).get('name')}!")


async def slow_compute(context: Context, params: types.CallToolRequestParams) -> Answer:
    seconds = float((params.arguments or {}).get("seconds", 0))
    if can_have_tasks(context):
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
    server.extensions[EXTENSION] = {}
    server.add_request_handler("tasks/get", TaskParams, get)
    server.add_request_handler("tasks/update", TaskParams, update)
    server.add_request_handler("tasks/cancel", TaskParams, cancel)
