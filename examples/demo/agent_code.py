"""The second half of the demonstration: an agent's code, started through the gate, in the runner's sandbox."""

import json
import os
import shutil
import signal
import sys
import textwrap
from pathlib import Path
from typing import Any

from demo import HERE, SERVER, show
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

SCRIPT = """\
import callgate
text = mcp_Files_read_text_file(path=folder + "/notes.txt")["content"]
words = len(text.split())
report_progress(0.5, "half way")
try:
    mcp_Files_move_file(source=folder + "/notes.txt", destination=folder + "/gone.txt")
except callgate.ToolDenied as denied:
    print("refused:", denied.reason)
"""

TWO_HALVES = """\
import time
text = mcp_Files_read_text_file(path=folder + "/notes.txt")["content"]
report_progress(0.5, "half way")
time.sleep(1)
words = len(text.split())
"""


def _configuration(home: Path, elsewhere: Path) -> Path:
    """Where the runner's own callgate.yaml is written: it names the folder, which is new each time."""
    written = elsewhere / "callgate.yaml"
    policy = str(HERE / "runner_policy.yaml")
    settings = {
        "servers": {"Files": {"command": [str(SERVER), str(home)], "policy": policy}},
        "state": "memory://",
        "runner": {
            "policy": policy,
            "journal": f"sqlite:{elsewhere}/journal.sqlite",
            "packages": {"profile": "none"},
            # How soon others may go on with what a killed runner has left: here the demonstration waits for it.
            "lease": "1s",
        },
    }
    written.write_text(json.dumps(settings))
    return written


def _text(result: Any) -> str:
    return " ".join(getattr(block, "text", "") for block in result.content)


async def run_code(home: Path, elsewhere: Path) -> int:
    """Start code through the gate, follow it, and start it too often. Returns how much came out unlike the policy."""
    command = [
        *("-m", "callgate", "run", "-c", str(HERE / "runner_policy.yaml"), "--log-level", "error", "--"),
        *(sys.executable, "-m", "callgate", "runner", "-c", str(_configuration(home, elsewhere))),
        *("--log-level", "error"),
    ]
    if shutil.which("bwrap") is None:
        print(
            "\nNot shown: code that runs in a sandbox. It needs bubblewrap (Debian: apt-get install bubblewrap)."
        )
        return 0
    print(
        "\nThe agent writes code. It runs in `callgate runner`, behind a gate with examples/demo/runner_policy.yaml:\n"
    )
    print(textwrap.indent(SCRIPT, "    | "), flush=True)
    surprises = 0
    server = StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ))
    with open(os.devnull, "w") as quiet:
        async with Client(stdio_client(server, errlog=quiet)) as client:
            arguments = {
                "script": SCRIPT,
                "input_vars": {"folder": str(home)},
                "output_vars": {"words": "int"},
            }
            started = await client.call_tool("asyncExecuteCode", arguments)
            if started.is_error:
                show("deny", "asyncExecuteCode", _text(started))
                return 1
            uuid = (started.structured_content or {})["execution_uuid"]
            show("allow", "asyncExecuteCode", f"at once: {uuid}")
            seen = None
            while seen in (None, "pending", "running"):
                asked = {"execution_uuid": uuid, "wait_seconds": 10}
                status = (await client.call_tool("checkCodeExecStatus", asked)).structured_content or {}
                if status["status"] != seen:
                    seen = status["status"]
                    show("allow", "checkCodeExecStatus", seen)
            output, results = status["output"]["stdout"].strip(), status.get("results")
            show("deny", "  … mcp_Files_move_file, inside", output.removeprefix("refused: "))
            show("allow", "  … results", json.dumps(results))
            surprises += results != {"words": 3} or "refused: Files stay" not in output
            for _ in range(9):
                surprises += (
                    await client.call_tool("asyncExecuteCode", {"script": "print(1)"})
                ).is_error is True
            eleventh = await client.call_tool("asyncExecuteCode", {"script": "print(1)"})
            surprises += not eleventh.is_error
            show("deny" if eleventh.is_error else "allow", "asyncExecuteCode, the eleventh", _text(eleventh))
    surprises += await _killed(home, elsewhere)
    print("\n  Next: docs/runner.md says what agents can do, docs/runner-operators.md how to run it.")
    return surprises


async def _killed(home: Path, elsewhere: Path) -> int:
    """Kill a runner in the middle of an execution and start it again. Returns 1 if that did not go on."""
    running = elsewhere / "pid"
    words = ["-m", "callgate", "runner", "-c", str(_configuration(home, elsewhere)), "--log-level", "error"]
    in_shell = ["-c", 'echo $$ >"$0"; exec "$@"', str(running), sys.executable, *words]
    server = StdioServerParameters(command="sh", args=in_shell, env=dict(os.environ))
    with open(os.devnull, "w") as quiet:
        async with Client(stdio_client(server, errlog=quiet)) as client:
            arguments = {
                "script": TWO_HALVES,
                "input_vars": {"folder": str(home)},
                "output_vars": {"words": "int"},
            }
            started = (await client.call_tool("asyncExecuteCode", arguments)).structured_content or {}
            asked = {"execution_uuid": started["execution_uuid"], "wait_seconds": 10}
            status: dict[str, Any] = {"status": "pending"}
            while status["status"] in ("pending", "running") and not status.get("progress"):
                status = (await client.call_tool("checkCodeExecStatus", asked)).structured_content or {}
            os.kill(int(running.read_text()), signal.SIGKILL)
            show("allow", "kill -9 of the runner", f"in the middle of another: {status['status']}")
        async with Client(stdio_client(server, errlog=quiet)) as client:
            while status["status"] in ("pending", "running"):
                status = (await client.call_tool("checkCodeExecStatus", asked)).structured_content or {}
            told = (
                f"{status['status']} {json.dumps(status.get('results'))}, with the answer that it had before"
            )
            show("allow", "the runner started again", told)
    return int(status.get("results") != {"words": 3})
