"""Other people's proxies from PyPI, each in a virtual environment of its own under a cache directory.

Versions are pinned, so that a table can be made again. Each is switched on as far as it goes towards what
the gate does: a policy that allows the tool, a rate limit that never refuses, an audit file. A rival that
does not start is kept here: the reason is a result too.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.stdio.harness import Harness, Row
from msgspec import Struct


class Rival(Struct, frozen=True):
    """A package of PyPI. `row` is given its name, its `bin` directory, one for files, and the server."""

    package: str
    version: str
    row: Callable[[str, Path, Path, str], Row]


FASTMCP_PROXY = """\
import sys
from fastmcp.server import create_proxy
from fastmcp.client.transports import StdioTransport
create_proxy(StdioTransport(sys.argv[1], sys.argv[2:])).run(show_banner=False)
"""

FIREWALL = """\
version: 1
defaultAction: deny
globalRateLimit: {maxCalls: 1000000000, windowSeconds: 60}
audit: {enabled: true, path: audit.jsonl}
rules:
  - {name: allow-echo, tool: echo, action: allow}
"""

CUSTOS = """\
version: 1
id: bench
default: deny
rules:
  - {id: allow-echo, when: {tool: echo}, decision: allow, reason: measured}
"""

POLICY_GATEWAY = """\
version: 1
upstreams:
  echo: {transport: stdio, command: SERVER, args: []}
rate_limits:
  large: {rate: 1000000000, per: 60}
policies:
  bench:
    default: deny
    rules:
      - {name: allow-echo, effect: allow, tools: [echo], rate_limits: [large]}
"""


def _fastmcp(name: str, bin: Path, files: Path, server: str) -> Row:
    script = files / "fastmcp_proxy.py"
    script.write_text(FASTMCP_PROXY)
    return Row(name, (str(bin / "python"), str(script), server), "relays; no policy, no limit, no audit")


def _firewall(name: str, bin: Path, files: Path, server: str) -> Row:
    policy = files / "mcp-firewall.yaml"
    policy.write_text(FIREWALL)
    words = (str(bin / "mcp-firewall"), "wrap", "--config", str(policy), "--", server)
    return Row(
        name, words, "1 rule, global limit, its detectors, chained audit (not synced)", records="audit.jsonl"
    )


def _custos(name: str, bin: Path, files: Path, server: str) -> Row:
    policy, keys = files / "custos.yaml", files / "custos-keys"
    policy.write_text(CUSTOS)
    subprocess.run([str(bin / "custos"), "keygen", "--dir", str(keys)], check=True, capture_output=True)
    words = (str(bin / "custos"), "proxy", "--policy", str(policy), "--keys", str(keys))
    on = "1 rule, no limit (it has none), signed ledger, synced at every call"
    return Row(name, (*words, "--ledger", "ledger.jsonl", "--", server), on, records="ledger.jsonl")


def _policy_gateway(name: str, bin: Path, files: Path, server: str) -> Row:
    policy = files / "policy-gateway.yaml"
    policy.write_text(POLICY_GATEWAY.replace("SERVER", server))
    words = (str(bin / "mcp-policy-gateway"), "run", "-c", str(policy), "--policy", "bench")
    return Row(
        name, (*words, "--audit", "audit.jsonl"), "1 rule, limit, chained audit", records="audit.jsonl"
    )


def _agent_bom(name: str, bin: Path, files: Path, server: str) -> Row:
    # It starts only commands of certain bare names; `mcp-server` is one.
    launcher = files / "launcher" / "mcp-server"
    launcher.parent.mkdir(exist_ok=True)
    launcher.unlink(missing_ok=True)
    launcher.symlink_to(server)
    words = (str(bin / "agent-bom"), "proxy", "--no-isolate", "--metrics-port", "0", "--block-undeclared")
    return Row(
        name,
        (*words, "--rate-limit-threshold", "1000000000", "--log", "audit.jsonl", "--", "mcp-server"),
        "no rule file, limit, its detectors, chained audit; refuses some calls as replays that are none",
        env=(("PATH", f"{launcher.parent}:/usr/local/bin:/usr/bin:/bin"),),
        count_refusals=True,
    )


RIVALS = (
    Rival("fastmcp", "4.1.2", _fastmcp),
    Rival("mcp-firewall", "0.1.0", _firewall),
    Rival("custos-mcp", "0.4.2", _custos),
    Rival("agent-bom", "0.109.0", _agent_bom),
    Rival("mcp-policy-gateway", "0.1.0", _policy_gateway),
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
                install(rival.package, rival.version, home)
            rows.append(rival.row(name, home / "bin", harness.dir, str(harness.program("echo_server"))))
        except subprocess.CalledProcessError as error:
            said = (error.stderr or b"").decode(errors="replace").strip().splitlines()
            failed[name] = f"not installed: {said[-1] if said else error}"
    return rows, failed


def install(package: str, version: str, home: Path) -> None:
    """Install a package of PyPI in a virtual environment of its own. Raises CalledProcessError."""
    print(f"installing {package} {version}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True, capture_output=True)
    pip = [str(home / "bin" / "pip"), "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, f"{package}=={version}"], check=True, capture_output=True)
    (home / "installed").touch()
