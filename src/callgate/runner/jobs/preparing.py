"""What must be there before a script may start: its packages, servers, tools and secrets → a job for the sandbox.

Nothing of the script has run when anything here fails.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from msgspec.structs import replace

from callgate.runner.bridge.contract import Bridge, ToolInfo
from callgate.runner.execution import Cause, Ending, Execution, ScriptError, Spec
from callgate.runner.jobs.parts import Parts
from callgate.runner.journal.contract import Claim
from callgate.runner.precheck.check import check_async
from callgate.runner.precheck.finding import Surroundings
from callgate.runner.precheck.usage import UNKNOWN_FUNCTION
from callgate.runner.sandbox.contract import Function, Job
from callgate.text import quote

_SHOWN = 5
_PATIENCE = 10.0
_LONG_PATIENCE = 60.0
"""How long an execution waits for servers, in seconds: one that has begun already has more to lose."""
_LOOK_EVERY = 0.5


class NotPrepared(Exception):
    """Something that the script needs is not there; `ending` says what."""

    def __init__(self, cause: Cause, message: str, help: str | None = None) -> None:
        super().__init__(message)
        error = ScriptError(type="NotPrepared", message=message, help=help)
        self.ending = Ending(state="failed", cause=cause, error=error)


async def prepare(claim: Claim, parts: Parts, in_use: AsyncExitStack) -> Job:
    """Make the job; what it needs stays there until `in_use` is closed. Raises NotPrepared, CallgateError."""
    execution = claim.execution
    spec = execution.spec
    secrets = _secrets(spec.required_secrets, parts)
    packages, not_ready = await asyncio.gather(
        in_use.enter_async_context(parts.packages(spec.additional_imports)),
        parts.bridge.warm(spec.mcp_server_names),
    )
    if not_ready:
        raise _not_ready(not_ready)
    # Only servers that the script can mean: the others need not even be started.
    text = "\n".join((spec.script, *spec.required_tools))
    meant = parts.bridge.mentioned(text) or (None if "mcp_" in text else ())
    patience = _PATIENCE if claim.fence.attempt == 1 else _LONG_PATIENCE
    tools = await _tools(execution, meant, parts.bridge, patience) if meant != () else []
    if meant == ():
        await _look_at_tools(spec, frozenset())
    limits = parts.options.limits
    bounds = [limits.wall_seconds, spec.timeout, parts.grants.max_seconds]
    seconds = min((bound for bound in bounds if bound is not None), default=None)
    return Job(
        uuid=execution.uuid,
        attempt=claim.fence.attempt,
        script=spec.script,
        limits=replace(limits, wall_seconds=seconds),
        input_vars={**claim.session_vars, **spec.input_vars},
        output_vars=spec.output_vars,
        functions=[
            Function(
                name=tool.function, description=tool.description, parameters=_parameters(tool.input_schema)
            )
            for tool in tools
        ],
        secrets=secrets,
        packages=tuple(packages),
        network=parts.options.network,
        seed=execution.uuid,
        filename="script.py",
    )


async def _tools(
    execution: Execution, servers: Sequence[str] | None, bridge: Bridge, patience: float
) -> Sequence[ToolInfo]:
    """What the servers list. Raises NotPrepared: something of it is missing.

    A server that has just ended lists nothing, which does not mean that it has no such tool: it is waited for.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + patience
    while True:
        tools = await bridge.tools(execution.owner, servers)
        try:
            await _look_at_tools(execution.spec, frozenset(tool.function for tool in tools))
        except NotPrepared:
            not_ready = await bridge.warm(servers or ())
            tools = await bridge.tools(execution.owner, servers)
            if not not_ready:
                await _look_at_tools(execution.spec, frozenset(tool.function for tool in tools))
            elif loop.time() > end:
                raise _not_ready(not_ready) from None
            else:
                await asyncio.sleep(_LOOK_EVERY)
                continue
        return tools


def _not_ready(servers: dict[str, str]) -> NotPrepared:
    told = "; ".join(f"{quote(name)}: {why}" for name, why in list(servers.items())[:_SHOWN])
    return NotPrepared("servers", f"servers are not ready: {told}")


async def _look_at_tools(spec: Spec, names: frozenset[str]) -> None:
    """Raises NotPrepared: the script needs a function that is not among `names`."""
    missing = [name for name in spec.required_tools if name not in names]
    if missing:
        shown = ", ".join(quote(name) for name in missing[:_SHOWN])
        raise NotPrepared(
            "required_tools", f"required tools are not there: {shown}", _similar(missing[0], names)
        )
    if "mcp_" in spec.script:
        await _look_at_calls(spec, names)


def _secrets(names: tuple[str, ...], parts: Parts) -> dict[str, str]:
    """The required secrets. Raises NotPrepared for one that is not there, or that may not enter the sandbox."""
    if not names:
        return {}
    known = parts.secrets.read()
    missing = [name for name in names if name not in known]
    if missing:
        shown = ", ".join(quote(name) for name in missing[:_SHOWN])
        raise NotPrepared(
            "required_secrets", f"required secrets are not there: {shown}", "ask the operator for them"
        )
    kept = [name for name in names if not parts.grants.grants(name)]
    if kept:
        shown = ", ".join(quote(name) for name in kept[:_SHOWN])
        raise NotPrepared(
            "required_secrets",
            f"the policy does not grant {shown} to scripts (`grant_secrets`)",
            "do without, or ask the operator; tools that need a secret have theirs already",
        )
    return {name: known[name] for name in names}


def _parameters(schema: dict[str, Any]) -> tuple[str, ...]:
    properties = schema.get("properties")
    return tuple(name for name in properties if isinstance(name, str)) if isinstance(properties, dict) else ()


async def _look_at_calls(spec: Spec, names: frozenset[str]) -> None:
    """Raises NotPrepared for a call of a function that no server has: nothing of the script has run yet."""
    for finding in await check_async(spec, Surroundings(functions=names)):
        if finding.code == UNKNOWN_FUNCTION:
            raise NotPrepared("required_tools", f"line {finding.line}: {finding.message}", finding.help)


def _similar(name: str, names: frozenset[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, names, n=1)
    return f"did you mean {quote(close[0])}?" if close else "`searchTools` finds what is there"
