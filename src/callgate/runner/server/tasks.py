"""The tasks extension of MCP (2026-07-28) on the official SDK: the wire, for whoever keeps tasks.

A tool answers with `TasksExtension.begun(task)` where `offered(context)` is true; nothing here runs anything, and no
task is ever answered for that the store does not give to this caller.

Source: io.modelcontextprotocol/tasks, specification "Tasks" (SEP-2663).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from mcp.server import Server, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver.server import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp_types import HEADER_MISMATCH, INVALID_PARAMS, METHOD_NOT_FOUND, RequestParams
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from msgspec import Struct
from pydantic import Field

EXTENSION = "io.modelcontextprotocol/tasks"

Context = ServerRequestContext[Any, Any]
TaskStatus = Literal["working", "input_required", "completed", "failed", "cancelled"]


class Task(Struct, frozen=True, kw_only=True):
    """How a task stands. Times as RFC 3339, durations in milliseconds; `ttl_ms` None: kept until further notice.

    `result` goes with `completed` (also where the tool says that it failed), `error`, a JSON-RPC error, with `failed`,
    `questions` (by their keys) with `input_required`.
    """

    task_id: str
    status: TaskStatus
    created_at: str
    updated_at: str
    ttl_ms: int | None = None
    poll_ms: int = 1_000
    message: str | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    questions: dict[str, Any] | None = None


class TaskStore(Protocol):
    """Keeps tasks. Every method sees the request's context, and treats what is not the caller's as unknown."""

    async def get(self, context: Context, task_id: str, /) -> Task | None: ...

    async def answer(self, context: Context, task_id: str, answers: Mapping[str, Any], /) -> bool:
        """Take answers to questions, ignoring those that are not open. False: unknown task."""
        ...

    async def cancel(self, context: Context, task_id: str, /) -> bool:
        """Ask for its end. False: unknown task."""
        ...


class TaskParams(RequestParams):
    """What a task is asked with."""

    task_id: str = Field(alias="taskId", max_length=1024)


class UpdateParams(TaskParams):
    """The same with answers."""

    input_responses: dict[str, Any] = Field(default_factory=dict, alias="inputResponses")


def offered(context: Context) -> bool:
    """Whether this request may be answered with a task: its client says so, and its era has them."""
    declared = context.session.client_capabilities
    extensions = (declared.extensions if declared is not None else None) or {}
    return context.protocol_version in MODERN_PROTOCOL_VERSIONS and EXTENSION in extensions


class TasksExtension(Extension):
    """`tasks/get`, `tasks/update` and `tasks/cancel` over a store."""

    identifier = EXTENSION

    def __init__(self, store: TaskStore) -> None:
        self._store = store

    def methods(self) -> Sequence[MethodBinding]:
        """The three, in the modern era only."""
        versions = frozenset(MODERN_PROTOCOL_VERSIONS)
        return (
            MethodBinding("tasks/get", TaskParams, self._get, versions),
            MethodBinding("tasks/update", UpdateParams, self._update, versions),
            MethodBinding("tasks/cancel", TaskParams, self._cancel, versions),
        )

    @staticmethod
    def begun(task: Task) -> dict[str, Any]:
        """The answer to the call that began the task. Only after the store would answer for it."""
        return _envelope(task, "task")

    def install(self, server: Server[Any]) -> None:
        """Offer the extension on a low-level server, which takes none by itself."""
        server.extensions[self.identifier] = self.settings()
        for binding in self.methods():
            server.add_request_handler(binding.method, binding.params_type, _of_versions(binding))

    async def _get(self, context: Context, params: TaskParams) -> dict[str, Any]:
        _check(context, params)
        task = await self._store.get(context, params.task_id)
        if task is None:
            raise _unknown()
        answer = _envelope(task, "complete")
        match task.status:
            case "completed":
                answer["result"] = task.result or {}
            case "failed":
                answer["error"] = task.error or {}
            case "input_required":
                answer["inputRequests"] = task.questions or {}
            case "working" | "cancelled":
                pass
        return answer

    async def _update(self, context: Context, params: UpdateParams) -> dict[str, Any]:
        _check(context, params)
        if not await self._store.answer(context, params.task_id, params.input_responses):
            raise _unknown()
        return {"resultType": "complete"}

    async def _cancel(self, context: Context, params: TaskParams) -> dict[str, Any]:
        _check(context, params)
        if not await self._store.cancel(context, params.task_id):
            raise _unknown()
        return {"resultType": "complete"}


def _of_versions(binding: MethodBinding) -> Any:
    async def handle(context: Context, params: Any) -> Any:
        if (
            binding.protocol_versions is not None
            and context.protocol_version not in binding.protocol_versions
        ):
            raise MCPError(METHOD_NOT_FOUND, "Method not found", binding.method)
        return await binding.handler(context, params)

    return handle


def _check(context: Context, params: TaskParams) -> None:
    require_client_extension(context, EXTENSION)
    # Over HTTP the task's id is repeated in a header; whoever routes by it must not be led elsewhere.
    if context.request is not None and context.request.headers.get("mcp-name") != params.task_id:
        raise MCPError(HEADER_MISMATCH, "the Mcp-Name header is not the task's id")


def _unknown() -> MCPError:
    return MCPError(INVALID_PARAMS, "no such task", {"code": "RUN006"})


def _envelope(task: Task, result_type: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "resultType": result_type,
        "taskId": task.task_id,
        "status": task.status,
        "createdAt": task.created_at,
        "lastUpdatedAt": task.updated_at,
        "ttlMs": task.ttl_ms,
        "pollIntervalMs": task.poll_ms,
    }
    if task.message is not None:
        found["statusMessage"] = task.message
    return found
