"""Other people's ways to run an agent's Python, each installed once in a folder of its own under a cache directory.

Versions are pinned, so that a table can be made again.
"""

import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from bench.http.rivals import install_npm
from bench.runner.clients import RawClient, raw_client
from bench.runner.interleave import Row
from bench.runner.starts import FLOOR, INTERPRETER, PRINT, STARTS, program
from bench.runner.through import THROUGH
from bench.stdio.rivals import install

FASTMCP, FASTMCP_VERSION = "fastmcp[code-mode]", "4.1.2"
SRT, SRT_VERSION = "@anthropic-ai/sandbox-runtime", "0.0.83"
CODE_MODE = """\
from fastmcp import FastMCP
from fastmcp.experimental.transforms.code_mode import CodeMode

server = FastMCP("bench", transforms=[CodeMode()])

@server.tool
def word(text: str) -> str:
    return text

server.run(show_banner=False, log_level="error")
"""


async def rival_rows(opened: AsyncExitStack, failed: dict[str, str], cache: Path, work: Path) -> list[Row]:
    """Install what is missing and make the rows; what cannot be had is told in `failed`."""
    rows: list[Row] = []
    name = f"fastmcp {FASTMCP_VERSION}, code mode"
    try:
        home = cache / f"fastmcp-code-mode-{FASTMCP_VERSION}"
        if not (home / "installed").exists():
            install(FASTMCP, FASTMCP_VERSION, home)
        server = work / "code_mode.py"
        server.write_text(CODE_MODE)
        client = await opened.enter_async_context(raw_client((str(home / "bin" / "python"), str(server))))
        on = "execute of print(1), lean client; Monty: a subset of Python, no wall of the system, no journal"
        rows.append(Row(THROUGH, name, on, FLOOR, _execute(client)))
    except Exception as error:
        failed[name] = _why(error)
    name = f"sandbox-runtime {SRT_VERSION}"
    try:
        home = cache / f"sandbox-runtime-{SRT_VERSION}"
        if not (home / "installed").exists():
            install_npm(SRT, SRT_VERSION, home)
        if missing := [tool for tool in ("rg", "socat") if not shutil.which(tool)]:
            raise RuntimeError(f"needs {' and '.join(missing)}: apt-get install ripgrep socat")
        settings = work / "srt.json"
        settings.write_text(
            '{"network": {"allowedDomains": [], "deniedDomains": []},'
            ' "filesystem": {"denyRead": [], "allowWrite": [], "denyWrite": []}}'
        )
        srt = str(home / "node_modules" / ".bin" / "srt")
        words = ("node", srt, "-s", str(settings), "-c", f"{INTERPRETER} -I -S -c '{PRINT}'")
        on = "`srt -c`: bubblewrap and seccomp; reads the whole file system"
        rows.append(program(STARTS, name, on, *words, heavy=True))
    except Exception as error:
        failed[name] = _why(error)
    return rows


def _execute(client: RawClient) -> Callable[[], Awaitable[list[float]]]:
    async def once() -> list[float]:
        began = time.perf_counter()
        await client.call("execute", {"code": PRINT})
        return [time.perf_counter() - began]

    return once


def _why(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        said = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        return f"not installed: {said[-1] if said else error}"
    return f"{type(error).__name__}: {error}"
