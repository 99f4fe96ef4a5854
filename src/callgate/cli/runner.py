"""`callgate runner`: an MCP server that executes Python for agents, over stdio or HTTP."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "execute Python for agents: sandboxed, durable, its tool calls under the policy"
EXAMPLES = """examples:
  callgate runner                                       over stdio, with no tools for scripts to call
  callgate runner -c callgate.yaml                      scripts may call the servers of the file
  callgate runner -c callgate.yaml --http 127.0.0.1:8723
  callgate run -c policy.yaml -- callgate runner -c callgate.yaml

`callgate runner check` tries the walls of the sandbox on this machine; `callgate runner worker` runs executions that
other machines have accepted. Executions are kept in ~/.local/state/callgate ($XDG_STATE_HOME), packages
in ~/.cache/callgate ($XDG_CACHE_HOME), unless the file's `runner.journal` and `runner.packages` name other places.

Exit status: 0 told to end, 2 usage or address, 3 configuration or policy,
5 journal, queue, package cache, state or audit, 6 a wall of the sandbox is missing."""


def configure(parser: "ArgumentParser") -> None:
    """Declare the options."""
    from callgate.cli.runner_shared import add_common

    add_common(parser)
    parser.add_argument(
        "--http",
        metavar="[HOST:]PORT",
        help="serve Streamable HTTP at /mcp, where the file's `listen` says if no HOST is given (default: stdio)",
    )
    parser.add_argument(
        "--no-worker", action="store_true", help="only accept: executions run in `callgate runner worker`"
    )


def run(options: "Namespace") -> int:
    """Serve until told to end, or until the client closes stdin."""
    from callgate.cli.runner_shared import load_app, open_standard_streams, options_of

    open_standard_streams()
    # Forked while this process is still small: children of servers are started from there.
    from callgate.transports.spawner import fork_nursery

    spawner = fork_nursery()
    try:
        status: int = load_app().serve(
            options_of(options, http=options.http, worker=not options.no_worker), spawner
        )
        return status
    finally:
        spawner.close()
