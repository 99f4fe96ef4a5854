"""A server of the official SDK that speaks 2026-07-28: plain, asking back, slow with progress, as a task, announcing.

modern_server.py
"""

from typing import Annotated, Any

import anyio
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resolve import Elicit, Resolve
from mcp_types import CallToolRequestParams, RequestParams
from pydantic import BaseModel, Field

TASK = {
    "taskId": "task-1",
    "createdAt": "2026-11-01T00:00:00Z",
    "lastUpdatedAt": "2026-11-01T00:00:00Z",
    "ttlMs": 60000,
}


class TaskParams(RequestParams):
    """What tasks/get and tasks/cancel are asked with."""

    task_id: str = Field(alias="taskId")


class Tasks(Extension):
    """The tasks extension, as far as one task needs it."""

    identifier = "io.modelcontextprotocol/tasks"

    def methods(self) -> list[MethodBinding]:
        return [
            MethodBinding("tasks/get", TaskParams, self.get),
            MethodBinding("tasks/cancel", TaskParams, self.cancel),
        ]

    async def get(self, _context: Any, params: TaskParams) -> dict[str, Any]:
        finished = {"content": [{"type": "text", "text": "counted"}], "isError": False}
        return {
            "resultType": "complete",
            **TASK,
            "taskId": params.task_id,
            "status": "completed",
            "result": finished,
        }

    async def cancel(self, _context: Any, _params: TaskParams) -> dict[str, Any]:
        return {"resultType": "complete"}

    async def intercept_tool_call(self, params: CallToolRequestParams, ctx: Any, call_next: Any) -> Any:
        if params.name == "count":
            return {"resultType": "task", **TASK, "status": "working"}
        return await call_next(ctx)


class Name(BaseModel):
    """What the person is asked for."""

    name: str


server = MCPServer("modern", version="1", extensions=[Tasks()])


@server.tool()
def add(a: int, b: int) -> int:
    """A plain tool."""
    return a + b


async def who() -> Elicit[Name]:
    """The question put to the person."""
    return Elicit("Who?", Name)


@server.tool()
async def greet(greeting: str, person: Annotated[Name, Resolve(who)]) -> str:
    """A tool that needs an answer from the person first."""
    return f"{greeting}, {person.name}"


@server.tool()
async def wait(context: Context[Any], steps: int) -> str:
    """A slow tool that says how far it is."""
    for step in range(1, steps + 1):
        await anyio.sleep(0.02)
        await context.report_progress(step, steps, f"step {step}")
    return "waited"


@server.tool(structured_output=False)
def count() -> str:
    """Answered by a task."""
    return "never said"


@server.tool()
async def grow(context: Context[Any]) -> str:
    """Offers one tool more and says so."""
    server.add_tool(lambda: "new", name="grown", description="New.")
    await context.notify_tools_changed()
    return "grown"


if __name__ == "__main__":
    server.run("stdio")
