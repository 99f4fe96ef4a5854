"""Scripts as agents write them: data, sessions, threads, long runs, packages, and things that are not there."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from real_runner import UNDER_WAY, Agent, Home, over_stdio, run

LEDGER = str(Path(__file__).with_name("ledger_server.py"))

PROFILE = """
import numpy as np
import pandas as pd
rng = np.random.default_rng(7)
n = 1_000_000
frame = pd.DataFrame({
    "customer": rng.integers(0, 1000, n),
    "amount": rng.integers(1, 10_000, n),
    "when": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(n) % 31_536_000, unit="s"),
})
frame["month"] = frame["when"].dt.to_period("M").astype(str)
total = frame["amount"].sum()
check = int(np.asarray(frame["amount"]).astype(object).sum())
top = frame.groupby("customer", as_index=False)["amount"].sum().nlargest(3, "amount")
months = frame.groupby("month")["amount"].agg(["count", "max"]).reset_index()
missing = pd.Series([1.5, None, 2.5], name="missing")
matrix = np.arange(6).reshape(2, 3)
first = frame["when"].iloc[0]
"""
LONG = """
import time
for step in range(steps):
    report_progress((step + 1) / steps, f"step {step + 1} of {steps}")
    print(step, flush=True)
    time.sleep(pause)
done = step + 1
"""


@asynccontextmanager
async def _agent(folder: Path, **runner: object) -> AsyncIterator[Agent]:
    home = Home(folder, {"Ledger": {"command": [sys.executable, LEDGER, str(folder)]}}, runner)
    async with over_stdio(home, home.runner()) as agent:
        yield agent


def test_a_million_rows_are_profiled_within_the_memory_that_is_given(tmp_path: Path) -> None:
    async def main() -> None:
        async with _agent(tmp_path, packages={"profile": "data"}, limits={"memory": "512MiB"}) as agent:
            told = await agent.executed(
                PROFILE,
                output_vars={
                    "total": "int",
                    "check": "int",
                    "top": "DataFrame",
                    "months": "DataFrame",
                    "missing": "Series",
                    "matrix": "ndarray",
                    "first": "datetime",
                },
            )
            assert told["status"] == "completed", told
            results = told["results"]
            assert results["total"] == results["check"]
            assert 4_990_000_000 < results["total"] < 5_010_000_000
            assert [set(row) for row in results["top"]] == [{"customer", "amount"}] * 3
            assert sum(row["count"] for row in results["months"]) == 1_000_000
            assert results["months"][0]["month"] == "2026-01"
            assert results["missing"] == [1.5, None, 2.5]
            assert results["matrix"] == [[0, 1, 2], [3, 4, 5]]
            assert results["first"].startswith("2026-01-01T00:00:00")
            assert told["usage"]["peak_memory"] < 512 << 20
            # What does not fit is ended, and the next one is as well off as before.
            told = await agent.executed("import numpy as np\nx = np.ones((1 << 27,))\nprint(x.sum())")
            assert (told["status"], told["state"]) == ("failed", "resource_killed"), told
            assert told["cause"] == "memory"
            again = await agent.completed(
                "import numpy as np\ns = np.float64(frame['a'][1]) / 4",
                input_vars={"frame": {"a": [1, 2]}},
                output_vars={"s": "float"},
            )
            assert again == {"s": 0.5}

    run(main)


def test_a_long_run_is_followed_by_polling_and_no_line_is_missed_or_told_twice(tmp_path: Path) -> None:
    async def main() -> None:
        async with _agent(tmp_path) as agent:
            uuid = await agent.started(
                LONG, input_vars={"steps": 30, "pause": 0.1}, output_vars={"done": "int"}, name="long"
            )
            seen, offset, fractions = "", 0, [0.0]
            while True:
                told = await agent.told(
                    "checkCodeExecStatus", execution_uuid=uuid, output_offset=offset, wait_seconds=60
                )
                seen += told["output"]["stdout"]
                offset = told["output"]["next_offset"]
                fractions.append(told.get("progress", {}).get("fraction", 0.0))
                if told["status"] not in UNDER_WAY:
                    break
            assert told["results"] == {"done": 30}
            assert [int(line) for line in seen.split()] == list(range(30))
            assert fractions == sorted(fractions)
            # Followed as it goes, and not by an answer for each line.
            assert 2 < len(set(fractions)) < 20
            assert told["timings"]["run_ms"] >= 3000
            # From the beginning it is told again.
            told = await agent.told("checkCodeExecStatus", execution_uuid=uuid)
            assert told["output"]["stdout"] == seen
            # One that is under way ends at once when its owner says so.
            uuid = await agent.started(LONG, input_vars={"steps": 1000, "pause": 1})
            async for told in _news(agent, uuid):
                if told["output"]["stdout"]:
                    break
            await agent.told("cancelCodeExecution", execution_uuid=uuid)
            assert (await agent.ended(uuid))["status"] == "cancelled"

    run(main)


async def _news(agent: Agent, uuid: str) -> AsyncIterator[dict[str, Any]]:
    while True:
        yield await agent.told("checkCodeExecStatus", execution_uuid=uuid, wait_seconds=10)


def test_a_session_carries_declared_variables_on_and_nothing_else(tmp_path: Path) -> None:
    async def main() -> None:
        async with _agent(tmp_path) as agent:
            first = await agent.completed(
                "names = ['ann', 'bob']\nhidden = 5", session_id="s", output_vars={"names": "list"}
            )
            assert first == {"names": ["ann", "bob"]}
            second = await agent.completed(
                "names = names + [extra]\ncount = len(names)",
                session_id="s",
                input_vars={"extra": "cid"},
                output_vars={"names": "list", "count": "int"},
            )
            assert second == {"names": ["ann", "bob", "cid"], "count": 3}
            third = await agent.completed(
                "left = [name in globals_there for name in ('names', 'count', 'hidden')]",
                session_id="s",
                input_vars={"globals_there": ["names"]},
                output_vars={"left": "list"},
            )
            assert third == {"left": [True, False, False]}
            for session in ("s", "t"):
                told = await agent.executed("print(hidden)", session_id=session)
                assert told["error"]["type"] == "NameError", told
            told = await agent.executed("print(names)", session_id="t")
            assert told["error"]["type"] == "NameError"
            # One that fails changes nothing.
            await agent.executed("names = None\n1 / 0", session_id="s", output_vars={"names": "any"})
            last = await agent.completed("n = len(names)", session_id="s", output_vars={"n": "int"})
            assert last == {"n": 3}
            listed = (await agent.told("listCodeExecutions", session_id="t"))["executions"]
            assert len(listed) == 2

    run(main)


def test_twenty_threads_of_a_script_call_tools_side_by_side(tmp_path: Path) -> None:
    script = """
from concurrent.futures import ThreadPoolExecutor
def one(number):
    return mcp_Ledger_append(line=f"line {number}")["result"]
with ThreadPoolExecutor(20) as threads:
    answers = list(threads.map(one, range(20)))
"""

    async def main() -> None:
        async with _agent(tmp_path) as agent:
            results = await agent.completed(script, output_vars={"answers": "list[str]"})
            assert results["answers"] == [f"line {number} is there" for number in range(20)]
            lines = (tmp_path / "ledger").read_text().splitlines()
            assert sorted(lines) == sorted(f"line {number}" for number in range(20))

    run(main)


def test_what_a_script_needs_and_is_not_there_ends_it_before_it_begins(tmp_path: Path) -> None:
    async def main() -> None:
        async with _agent(tmp_path) as agent:
            cases = {
                "required_tools": {"required_tools": ["mcp_Ledger_apend"]},
                "required_secrets": {"required_secrets": ["NO_SUCH_SECRET"]},
                "servers": {"mcp_server_names": ["Nobody"]},
            }
            for cause, arguments in cases.items():
                told = await agent.executed("mcp_Ledger_append(line='ran')", **arguments)
                if "refused" in told:
                    text = json.dumps(told["refused"])
                else:
                    assert (told["status"], told["cause"]) == ("failed", cause), told
                    text = json.dumps(told["error"])
                (name,) = next(iter(arguments.values()))
                assert name in text, told
            told = await agent.executed("mcp_Ledger_apend(line='ran')")
            assert "mcp_Ledger_append" in json.dumps(told.get("error") or told["refused"]), told
            assert not (tmp_path / "ledger").exists()

    run(main)


def test_a_package_from_the_index_is_there_for_the_script_and_a_name_that_is_not_is_told(
    tmp_path: Path,
) -> None:
    packages = {"profile": "none", "cache": str(tmp_path / "packages")}

    async def main() -> None:
        async with _agent(tmp_path, packages=packages) as agent:
            for _ in range(2):
                results = await agent.completed(
                    "import six\nversion = six.__version__\nplace = six.__file__",
                    additional_imports=["six"],
                    output_vars={"version": "str", "place": "str"},
                )
                assert results["version"].startswith("1.")
                assert str(tmp_path) not in results["place"]
            told = await agent.executed("import six")
            assert "six" in json.dumps(told.get("error") or told["refused"])
            told = await agent.executed("print(1)", additional_imports=["callgate-no-such-package-x"])
            assert (told["status"], told["cause"]) == ("failed", "packages"), told
            assert "callgate-no-such-package-x" in told["error"]["message"], told

    run(main)
