"""The tools as agents find them: names, what they say of themselves, what they take and give."""

from collections.abc import Sequence
from typing import Any

from mcp_types import Tool, ToolAnnotations

from callgate.runner.sandbox.guest.output_types import NAMES
from callgate.runner.server import input_schemas, result_schemas
from callgate.runner.server.options import ServerOptions

_PLAIN = ServerOptions()
_MOST_HOSTS = 20

_RULES = """
Rules, checked before anything runs (a mistake is answered with line and column):
- Ordinary synchronous Python. No `async`/`await`; for things side by side use concurrent.futures.ThreadPoolExecutor.
- No tricks with `locals()` or `globals()` to reach variables.
- {network}
- Tools of MCP servers are plain functions: `mcp_<Server>_<tool>(argument=value, ...)`. They need no import and \
return the tool's result as Python values. Find them with searchTools, see their parameters with getToolDetails, \
name those you need in `required_tools`.
- A call that the policy refuses raises `callgate.ToolDenied` with `rule` and `reason`; catch it, or change what \
you ask for. The name `callgate` is there without an import. Trying the same call again does not help, unless the \
reason says when.
- A secret that you name in `required_secrets` is `secrets["NAME"]`, if the policy grants it; it is in no environment \
variable. Tools have the secrets that they need.
- `input_vars` are there as variables. What you want back must be a variable named in `output_vars`; `print` goes \
to the output. Types: {types}; also `list[int]`, `int | null`.
- `report_progress(0.4, "text")` says how far the script is.
- The sandbox has an empty work folder and no access to this machine; nothing stays but what `output_vars` returns."""

_EXECUTE = """Run a Python script in a sandbox and wait for its end, at most `timeout` (30 to 300) seconds. Answers \
with `results`, the output and, if it failed, the error with the lines of the script. For anything longer use \
asyncExecuteCode.
"""

_ASYNC = """Start a Python script in a sandbox and get its `execution_uuid` at once. It goes on while you do other \
things, also if you disconnect, for as long as the runner runs. A runner that your client started ends with the \
client; what was under way is started again with the runner, and tool calls that were answered are not made again. \
Follow it with checkCodeExecStatus, end it with cancelCodeExecution.
"""

_CHECK = """How an execution stands: status, progress, new output, and once it has completed its `results`. Give \
`wait_seconds` (up to 60) to be answered when something changes, and `output_offset` (the last \
`output.next_offset`) to get only what is new. completed, failed, cancelled and interrupted are final."""

_CANCEL = """End an execution. One that waits is cancelled at once, one that runs within moments (`state` is \
`cancelling` until then). What its tool calls have already done stays done."""

_LIST = "Your executions, newest first, without scripts and results."

_SEARCH = """Find the functions that scripts may call, by words of what they should do. Answers with their signatures, \
best first, without those that the policy denies in any case; getToolDetails has the rest."""

_DETAILS = "Descriptions and full schemas of functions that scripts may call."


def tools(options: ServerOptions = _PLAIN) -> dict[str, Tool]:
    """Every tool by its name, in the order in which they are listed."""
    rules = _RULES.format(network=_network(options.network), types=" ".join(NAMES))
    found = (
        _tool(
            "executeCode",
            "Run Python",
            _EXECUTE + rules,
            input_schemas.EXECUTE,
            result_schemas.EXECUTION,
            _RUNS,
        ),
        _tool(
            "asyncExecuteCode",
            "Start Python",
            _ASYNC + rules,
            input_schemas.ASYNC_EXECUTE,
            result_schemas.EXECUTION,
            _RUNS,
        ),
        _tool(
            "checkCodeExecStatus",
            "Check an execution",
            _CHECK,
            input_schemas.CHECK,
            result_schemas.EXECUTION,
            _READS,
        ),
        _tool(
            "cancelCodeExecution",
            "Cancel an execution",
            _CANCEL,
            input_schemas.CANCEL,
            result_schemas.EXECUTION,
            _CANCELS,
        ),
        _tool(
            "listCodeExecutions", "List executions", _LIST, input_schemas.LIST, result_schemas.LISTED, _READS
        ),
        _tool("searchTools", "Search functions", _SEARCH, input_schemas.SEARCH, result_schemas.FOUND, _READS),
        _tool(
            "getToolDetails",
            "Describe functions",
            _DETAILS,
            input_schemas.DETAILS,
            result_schemas.DETAILS,
            _READS,
        ),
    )
    return {tool.name: tool for tool in found}


def _network(hosts: Sequence[str]) -> str:
    """What scripts reach by network, as a sentence."""
    if not hosts:
        return "There is no network: httpx and urllib reach nothing. Call tools instead."
    named = ", ".join(hosts[:_MOST_HOSTS]) + (", ..." if len(hosts) > _MOST_HOSTS else "")
    return f"By network, scripts reach {named} and nothing else. Use `httpx`, not `requests`."


def instructions(options: ServerOptions) -> str:
    """What the server says of itself to agents."""
    text = (
        "Runs Python for you in a sandbox. Short work: executeCode. Long work: asyncExecuteCode, then "
        "checkCodeExecStatus with wait_seconds. Scripts can call tools of other MCP servers as functions; find them "
        "with searchTools."
    )
    if options.servers:
        text += f" Servers: {', '.join(options.servers)}."
    if options.tier not in (None, "sandbox"):
        text += f" Scripts run with weaker walls than usual here ({options.tier})."
    return text


# A script can do whatever the tools do that it calls.
_RUNS = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True
)
_READS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
_CANCELS = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)


def _tool(
    name: str,
    title: str,
    description: str,
    takes: dict[str, Any],
    gives: dict[str, Any],
    annotations: ToolAnnotations,
) -> Tool:
    return Tool(
        name=name,
        title=title,
        description=description,
        input_schema=takes,
        output_schema=gives,
        annotations=annotations,
    )
