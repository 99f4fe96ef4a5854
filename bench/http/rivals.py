"""Other people's proxies, each installed once in a folder of its own under a cache directory.

Versions are pinned, so that a table can be made again. They relay and do no more: none has a policy, an audit or a
limit that holds, so what they cost is the least they cost. A rival that does not start is kept here: the reason is a
result too.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.http.harness import Harness, Row
from bench.stdio.rivals import install
from msgspec import Struct


class Rival(Struct, frozen=True):
    """A package of PyPI, or of npm. `row` is given its name, its folder, and the echo server on stdio."""

    package: str
    version: str
    npm: bool
    row: Callable[[str, Path, str], Row]


FASTMCP_PROXY = """\
import sys
from fastmcp.server import create_proxy
create_proxy(sys.argv[1]).run(
    transport="http", host="127.0.0.1", port=int(sys.argv[2]), show_banner=False, log_level="error"
)
"""


def _fastmcp(name: str, home: Path, server: str) -> Row:  # noqa: ARG001
    words = (str(home / "bin" / "python"), "{dir}/proxy.py", "http://127.0.0.1:{upstream}/mcp", "{port}")
    on = "relays; no policy, no limit, no audit"
    return Row(name, words, on, files=(("proxy.py", FASTMCP_PROXY),), light=True, rival=True)


def _mcp_proxy(name: str, home: Path, server: str) -> Row:
    program = home / "node_modules" / ".bin" / "mcp-proxy"
    words = ("node", str(program), "--host", "127.0.0.1", "--port", "{port}", "--server", "stream")
    more = ("--upstreamProtocol", "modern", "--no-eventStore", "--", server)
    on = "relays to a server on stdio; no policy, no limit, no audit"
    return Row(name, (*words, *more), on, light=True, rival=True)


RIVALS = (
    Rival("fastmcp", "4.1.2", False, _fastmcp),
    Rival("mcp-proxy", "6.7.19", True, _mcp_proxy),
)


def rival_rows(
    harness: Harness, cache: Path, only: frozenset[str] | None
) -> tuple[list[Row], dict[str, str]]:
    """Install what is missing and make the rows. Returns them, and for what could not be installed, why."""
    rows: list[Row] = []
    failed: dict[str, str] = {}
    for rival in RIVALS:
        if only and rival.package not in only:
            continue
        name = f"{rival.package} {rival.version}"
        home = cache / f"{rival.package}-{rival.version}"
        try:
            if not (home / "installed").exists():
                (install_npm if rival.npm else install)(rival.package, rival.version, home)
            rows.append(rival.row(name, home, str(harness.program("echo_server"))))
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip().splitlines()
            failed[name] = f"not installed: {said[-1] if said else error}"
    return rows, failed


def install_npm(package: str, version: str, home: Path) -> None:
    """Install a package of npm in a folder of its own. Raises CalledProcessError."""
    print(f"installing {package} {version}", file=sys.stderr)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    words = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(home)]
    subprocess.run([*words, f"{package}@{version}"], check=True, capture_output=True)
    (home / "installed").touch()
