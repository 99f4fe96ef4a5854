"""What each tool does: arguments → engine → answer. It decides nothing about executions and runs none."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams, CallToolResult

from callgate.errors import CallgateError
from callgate.runner.execution import Execution, Owner
from callgate.runner.jobs.contract import Engine, Refusal, View
from callgate.runner.server import function_search as functions
from callgate.runner.server.answers import answer, answered, execution_text, refused, timings, told
from callgate.runner.server.arguments import Arguments, spec
from callgate.runner.server.execution_tasks import as_task
from callgate.runner.server.large_answers import LargeAnswers
from callgate.runner.server.log import log
from callgate.runner.server.options import ServerOptions
from callgate.runner.server.output_text import end_of
from callgate.runner.server.owner import Caller
from callgate.runner.server.session_names import check_session_id
from callgate.runner.server.tasks import Context, TasksExtension, offered
from callgate.runner.server.tool_list import tools
from callgate.runner.server.under_way import UnderWay
from callgate.runner.server.waiting import outcome
from callgate.text import quote

QUEUE_GRACE = 30.0
"""Seconds beyond its time-out that `executeCode` waits for an execution that had to queue."""

Answer = CallToolResult | dict[str, Any]
_Given = dict[str, Any]
_Work = Callable[[Context, Caller, _Given], Awaitable[Answer]]


class Calls:
    """Answers `tools/call`. `caller_of` says whose a request is."""

    def __init__(
        self,
        engine: Engine,
        caller_of: Callable[[Context], Caller],
        options: ServerOptions,
        under_way: UnderWay,
        large: LargeAnswers,
    ) -> None:
        self._engine = engine
        self._caller_of = caller_of
        self._options = options
        self._under_way = under_way
        self._large = large
        self._arguments = {name: Arguments(tool) for name, tool in tools().items()}
        self._work: dict[str, _Work] = {
            "executeCode": self._execute,
            "asyncExecuteCode": self._start,
            "checkCodeExecStatus": self._check,
            "cancelCodeExecution": self._cancel,
            "listCodeExecutions": self._list,
            "searchTools": self._search,
            "getToolDetails": self._details,
        }

    async def call(self, context: Context, params: CallToolRequestParams) -> Answer:
        """Answer one call. Raises MCPError for a tool that there is not."""
        work = self._work.get(params.name)
        if work is None:
            raise MCPError(INVALID_PARAMS, f"no such tool: {quote(params.name, 100)}", {"code": "RUN007"})
        caller = self._caller_of(context)
        with self._under_way.one():
            try:
                return await work(context, caller, self._arguments[params.name].checked(params.arguments))
            except Refusal as refusal:
                return refused(refusal)
            except CallgateError as error:
                # What it says is for the operator.
                log.error("[%s] %s", error.code, error.message)
                return refused(
                    Refusal("RUN010", "the runner cannot answer at the moment", help="try again later")
                )
            except MCPError:
                raise
            except Exception:
                log.exception("[RUN011] %s failed", params.name)
                return refused(Refusal("RUN011", "the runner failed at this call"))

    async def _execute(self, context: Context, caller: Caller, given: _Given) -> Answer:
        execution = await self._submit(caller, given, waits=True)
        timeout = execution.spec.timeout or 0.0
        patience = self._options.task_after if offered(context) else timeout + QUEUE_GRACE
        owner = caller.owner
        view = await outcome(self._engine, self._under_way, context, owner, execution.uuid, patience)
        if view is None:
            raise _no_such()
        if offered(context) and not view.execution.ended:
            return TasksExtension.begun(as_task(view))
        end = await end_of(self._engine, owner, view)
        return await self._told(owner, view, 0, lambda view: answer(view, end=end, failure=True))

    async def _start(self, context: Context, caller: Caller, given: _Given) -> Answer:
        execution = await self._submit(caller, given, waits=False)
        if offered(context):
            view = await self._engine.view(caller.owner, execution.uuid)
            if view is not None:
                return TasksExtension.begun(as_task(view))
        return _accepted(execution)

    async def _submit(self, caller: Caller, given: _Given, *, waits: bool) -> Execution:
        if caller.shared:
            check_session_id(given.get("session_id"))
        return await self._engine.submit(caller.owner, spec(given, waits=waits))

    async def _check(self, _context: Context, caller: Caller, given: _Given) -> Answer:
        offset = given.get("output_offset", 0)
        view = await self._engine.view(
            caller.owner,
            given["execution_uuid"].lower(),
            offset=int(offset),
            wait_seconds=given.get("wait_seconds", 0),
        )
        return await self._told(caller.owner, view, int(offset), lambda view: answer(view, int(offset)))

    async def _told(
        self, owner: Owner, view: View | None, offset: int, build: Callable[[View], CallToolResult]
    ) -> CallToolResult:
        if view is None:
            raise _no_such()
        uuid = view.execution.uuid
        built = await self._large.built(
            owner, view, lambda: self._engine.view(owner, uuid, offset=offset), build
        )
        if built is None:
            raise _no_such()
        return built

    async def _cancel(self, _context: Context, caller: Caller, given: _Given) -> Answer:
        view = await self._engine.cancel(caller.owner, given["execution_uuid"].lower())
        if view is None:
            raise _no_such()
        return answer(view)

    async def _list(self, _context: Context, caller: Caller, given: _Given) -> Answer:
        if caller.shared:
            raise Refusal(
                "RUN008",
                "without authentication and session nobody can tell which executions are yours",
                help="keep each `execution_uuid`, and use checkCodeExecStatus with it",
            )
        page = await self._engine.list(
            caller.owner,
            limit=int(given.get("limit", 20)),
            cursor=given.get("cursor"),
            session_id=given.get("session_id"),
        )
        content: dict[str, Any] = {"executions": [_listed(execution) for execution in page.executions]}
        if page.cursor is not None:
            content["next_cursor"] = page.cursor
        lines = [_line(each) for each in content["executions"]]
        if page.cursor is not None:
            lines.append(f"there are more: cursor={page.cursor}")
        return answered(content, "\n".join(lines) or "no executions")

    async def _search(self, _context: Context, caller: Caller, given: _Given) -> Answer:
        wanted = given.get("mcp_server_names") or None
        known = await self._engine.tools(caller.owner, wanted)
        fitting = functions.search([tool for tool in known if not tool.never_allowed], given["query"])
        best = [functions.found(tool) for tool in fitting[: int(given.get("limit", 20))]]
        lines = [f"{each['signature']}\n    {each['summary']}" for each in best]
        if len(best) < len(fitting):
            lines.append(
                f"({len(fitting) - len(best)} more: say more of what it should do, or raise `limit`)"
            )
        content: _Given = {"tools": best, "total": len(fitting)}
        strange = functions.unknown_servers(wanted or (), self._options.servers)
        if strange:
            content["unknown_servers"] = strange
            lines += [_no_server(each, self._options.servers) for each in strange]
        return answered(content, "\n".join(lines) or "no function fits")

    async def _details(self, _context: Context, caller: Caller, given: _Given) -> Answer:
        known = await self._engine.tools(caller.owner)
        by_name = {tool.function: tool for tool in known}
        names = list(dict.fromkeys(given["names"]))
        described = [functions.details(by_name[name]) for name in names if name in by_name]
        missing = [functions.unknown(name, known) for name in names if name not in by_name]
        return answered({"tools": described, "unknown": missing}, functions.details_text(described, missing))


def _accepted(execution: Execution) -> CallToolResult:
    content = told(View(execution=execution))
    return answered(content, execution_text(content))


def _listed(execution: Execution) -> dict[str, Any]:
    optional = {
        "name": execution.spec.name,
        "session_id": execution.spec.session_id,
        "cause": execution.cause,
    }
    return {
        "execution_uuid": execution.uuid,
        "status": execution.status,
        "state": execution.state,
        "timings": timings(execution),
        **{name: value for name, value in optional.items() if value is not None},
    }


def _no_server(strange: _Given, servers: Sequence[str]) -> str:
    close = strange.get("did_you_mean")
    more = f"did you mean {', '.join(close)}?" if close else f"there are {', '.join(servers) or 'none'}"
    return f"no server {quote(strange['name'], 100)}; {more}"


def _line(listed: _Given) -> str:
    state = f"{listed['state']} ({listed['cause']})" if "cause" in listed else listed["state"]
    created = listed["timings"].get("created_at", "")
    return f"{listed['execution_uuid']}  {created}  {state}  {listed.get('name', '')}".rstrip()


def _no_such() -> Refusal:
    return Refusal("RUN006", "no such execution", help="check the UUID; others' executions are not shown")
