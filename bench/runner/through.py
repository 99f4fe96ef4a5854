"""The whole product over stdio: `callgate runner` as a client sees it, and inner calls beside those of the gate."""

import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from bench.runner.clients import RawClient, raw_client, sdk_client
from bench.runner.interleave import Row, settle
from bench.runner.starts import FLOOR, PRINT

THROUGH = "through a server over stdio"
INNER = "one call of a tool"
GATE = "callgate run, SDK client"
DIRECT = "bare server, SDK client"
INNER_FULL = "inner call, journal synced"
INNER_NORMAL = "inner call, sync: normal"
SUBMIT_FULL = "asyncExecuteCode, journal synced"
SUBMIT_NORMAL = "asyncExecuteCode, sync: normal"
CALLS = 20
"""Calls in one round."""

WORD_SERVER = (sys.executable, str(Path(__file__).with_name("word_server.py")))
POLICY = (
    "tools:\n  word:\n    rules: [{action: allow, rate_limit: {max: 1000000, window: 60, scope: global}}]\n"
)
SCRIPT = f"""
import time
times = []
for turn in range({CALLS}):
    began = time.perf_counter()
    said = mcp_Words_word(text=str(turn))
    times.append(time.perf_counter() - began)
    assert said == str(turn) or said == {{"result": str(turn)}}, said
"""


def configuration(folder: Path, **runner: Any) -> Path:
    """A new folder with callgate.yaml, a policy, and room for the journal and the audit; `runner` is that section."""
    folder.mkdir(parents=True)
    (folder / "policy.yaml").write_text(POLICY)
    settings = {
        "servers": {"Words": {"command": list(WORD_SERVER), "policy": "policy.yaml"}},
        "audit": "audit.jsonl",
        "state": "sqlite:state.sqlite",
        "runner": {"journal": "sqlite:journal.sqlite", "packages": {"profile": "none"}, **runner},
    }
    path = folder / "callgate.yaml"
    # JSON is YAML.
    path.write_text(json.dumps(settings))
    return path


async def until_ended(client: RawClient, uuid: str) -> dict[str, Any]:
    """How an execution stands after its end. Raises RuntimeError if it did not complete."""
    while True:
        view = await client.call("checkCodeExecStatus", {"execution_uuid": uuid, "wait_seconds": 30})
        if view["status"] not in ("pending", "running"):
            break
    if view["status"] != "completed":
        raise RuntimeError(f"{view['status']}: {view.get('error')}")
    return view


async def through_rows(
    opened: AsyncExitStack, failed: dict[str, str], gate: Sequence[str], work: Path
) -> list[Row]:
    """All rows; what cannot be opened is told in `failed`."""
    rows: list[Row] = []
    for sync, submit, inner in (("full", SUBMIT_FULL, INNER_FULL), ("normal", SUBMIT_NORMAL, INNER_NORMAL)):
        try:
            config = configuration(work / f"runner-{sync}", sync=sync)
            words = (*gate, "runner", "-c", str(config))
            client = await opened.enter_async_context(raw_client(words))
            await client.call("executeCode", {"script": PRINT})
        except Exception as error:
            failed[submit] = failed[inner] = f"{type(error).__name__}: {error}"
            continue
        on = (
            "on the disk before each answer (the default)"
            if sync == "full"
            else "survives a crash, not a power cut"
        )
        if sync == "full":
            rows.append(_row(THROUGH, "executeCode, lean client", f"print(1); {on}", _execute(client)))
        rows.append(_row(THROUGH, submit, f"the UUID is there; {on}", _submit(client)))
        rows.append(
            _row(
                INNER,
                inner,
                on,
                _inner(client),
                floor=DIRECT,
            )
        )
    try:
        config = configuration(work / "runner-sdk")
        by_sdk = await opened.enter_async_context(sdk_client((*gate, "runner", "-c", str(config))))
        on = "print(1); the client is the official SDK's"
        rows.append(_row(THROUGH, "executeCode, SDK client", on, _execute_by_sdk(by_sdk)))
    except Exception as error:
        failed["executeCode, SDK client"] = f"{type(error).__name__}: {error}"
    through_gate = (*gate, "run", "-c", str(work / "runner-full" / "policy.yaml"))
    through_gate += ("--audit", str(work / "gate.jsonl"), "--state", f"sqlite:{work / 'gate.sqlite'}")
    through_gate += ("--log-level", "error", "--", *WORD_SERVER)
    for name, on, words in (
        (DIRECT, "the floor: the client, the server, nothing between", WORD_SERVER),
        (GATE, "the gate alone: the same rule, limit in SQLite, audit synced", through_gate),
    ):
        try:
            server = await opened.enter_async_context(sdk_client(words))
            rows.append(_row(INNER, name, on, _call_by_sdk(server), floor=DIRECT, settles=False))
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"
    return rows


def _row(
    table: str,
    name: str,
    on: str,
    once: Callable[[], Awaitable[Sequence[float]]],
    *,
    floor: str = FLOOR,
    settles: bool = True,
) -> Row:
    return Row(table, name, on, floor, once, settle if settles else None)


def _execute(client: RawClient) -> Callable[[], Awaitable[list[float]]]:
    async def once() -> list[float]:
        began = time.perf_counter()
        view = await client.call("executeCode", {"script": PRINT})
        took = time.perf_counter() - began
        if view["status"] != "completed":
            raise RuntimeError(str(view)[:200])
        return [took]

    return once


def _submit(client: RawClient) -> Callable[[], Awaitable[list[float]]]:
    async def once() -> list[float]:
        began = time.perf_counter()
        told = await client.call("asyncExecuteCode", {"script": PRINT})
        took = time.perf_counter() - began
        await until_ended(client, told["execution_uuid"])
        return [took]

    return once


def _inner(client: RawClient) -> Callable[[], Awaitable[list[float]]]:
    async def once() -> list[float]:
        wanted = {"script": SCRIPT, "output_vars": {"times": "list"}}
        view = await client.call("executeCode", wanted)
        if view["status"] != "completed":
            raise RuntimeError(str(view.get("error"))[:200])
        return [float(one) for one in view["results"]["times"]]

    return once


def _execute_by_sdk(client: Any) -> Callable[[], Awaitable[list[float]]]:
    async def once() -> list[float]:
        began = time.perf_counter()
        result = await client.call_tool("executeCode", {"script": PRINT})
        took = time.perf_counter() - began
        if result.is_error or result.structured_content["status"] != "completed":
            raise RuntimeError(str(result.content)[:200])
        return [took]

    return once


def _call_by_sdk(client: Any) -> Callable[[], Awaitable[list[float]]]:
    async def once() -> list[float]:
        times = []
        for turn in range(CALLS):
            began = time.perf_counter()
            result = await client.call_tool("word", {"text": str(turn)})
            times.append(time.perf_counter() - began)
            if result.is_error:
                raise RuntimeError(str(result.content)[:200])
        return times

    return once
