"""A runner's server in a process of its own, over `MemoryEngine`.

    python tests/runner/server/runner_process.py stdio
    python tests/runner/server/runner_process.py http [KEYS-FILE [TRUSTED-GATE [RESOURCE]]]

Over HTTP it prints its URL on stdout.
"""

import sys
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parent))

from memory_engine import MemoryEngine

from callgate.auth.authenticator import Authenticator
from callgate.config.model import AuthConfig, ListenConfig
from callgate.runner.server.options import ServerOptions
from callgate.runner.server.over_http import serve_http
from callgate.runner.server.over_stdio import serve_stdio


async def main(words: list[str]) -> None:
    """Serve until told to end."""
    options = ServerOptions(trusted_gates=tuple(words[2:3]), drain=2.0, task_after=0.2)
    engine = MemoryEngine()
    if words[0] == "stdio":
        await serve_stdio(engine, options)
        print(*(each.state for each in engine.executions.values()), file=sys.stderr)
        return
    resource = words[3] if len(words) > 3 else None
    auth = AuthConfig(keys=words[1], resource=resource) if len(words) > 1 else None
    await serve_http(
        engine,
        ListenConfig(port=0),
        None if auth is None else Authenticator(auth),
        options,
        auth=auth,
        listening=lambda url: print(url, flush=True),
    )


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1:]))
