"""`callgate run`: guard one server over stdio. Standard output is the protocol's; people are spoken to on stderr."""

import argparse
import os
import signal

from callgate.errors import UsageError

SUMMARY = "start a server as a child and judge every tool call on its way there"
EXAMPLES = """examples:
  callgate run -c policy.yaml -- npx -y @modelcontextprotocol/server-filesystem /some/dir
  callgate run -c policy.yaml --audit calls.jsonl --log-level debug -- uvx mcp-server-git

The exit status is the server's. Before it starts: 2 usage, 3 policy, 4 server, 5 state or audit."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.usage = "callgate run -c POLICY [options] -- COMMAND [ARGUMENT ...]"
    parser.add_argument("-c", "--config", metavar="POLICY", required=True, help="the policy file")
    parser.add_argument(
        "--state", metavar="URL", help="limit store: memory:// or sqlite:///PATH[?sync=normal]"
    )
    parser.add_argument("--audit", metavar="FILE", help="append a record of every call to FILE (JSON lines)")
    parser.add_argument(
        "--audit-sync",
        choices=("full", "none"),
        default="full",
        help="full: on the disk before a call is forwarded; none: in the file, fast (default: full)",
    )
    parser.add_argument(
        "--audit-arguments",
        choices=("hash", "redacted", "full"),
        default="hash",
        help="what the audit holds of the arguments (default: hash)",
    )
    parser.add_argument("--session", metavar="ID", help="name the session, to go on with its counters later")
    parser.add_argument("--name", metavar="SERVER", help="name of the server in rules, limits and audit")
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="default: info"
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the server to start")


def run(options: argparse.Namespace) -> int:
    """Guard the server until it ends. Returns its status, or ends by the signal that ended it."""
    command: list[str] = options.command
    if command and command[0] == "--":
        command = command[1:]
    if not command:
        raise UsageError(
            "USE003", "no server to start", "put its command behind `--`, as in `… -- npx -y SERVER`"
        )
    if options.session is not None and not (
        0 < len(options.session) <= 200 and options.session.isprintable()
    ):
        raise UsageError("USE004", "`--session` wants 1 to 200 printable characters")
    # Forked while this process is still small: the keeper stays as small as that.
    from callgate.transports.keeper import fork_keeper

    pipes = fork_keeper(command)

    from callgate.app import RunOptions, guard
    from callgate.cli.run_log import make_log

    status = guard(
        pipes,
        RunOptions(
            policy=options.config,
            command=command,
            state=options.state,
            audit=options.audit,
            audit_sync=options.audit_sync,
            audit_arguments=options.audit_arguments,
            session=options.session,
            server=options.name,
        ),
        make_log(options.log_level),
    )
    if os.WIFSIGNALED(status):
        _end_by(os.WTERMSIG(status))
    return os.waitstatus_to_exitcode(status)


def _end_by(number: int) -> None:
    """End as the server ended, so that whoever started the gate sees no difference."""
    if number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
        os.kill(os.getpid(), number)
    os._exit(128 + number)
