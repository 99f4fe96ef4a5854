"""`callgate run`: guard one server for one agent on stdio. Standard output is the protocol's; people are spoken to on
stderr. The server is a child, or reached over HTTP.
"""

import os
import signal
from typing import TYPE_CHECKING

from callgate.cli.run_options import OPTIONS, read_plainly
from callgate.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from types import SimpleNamespace

    from callgate.agent_gate import GateOptions

__all__ = ["EXAMPLES", "SUMMARY", "TAKES_COMMAND", "configure", "read_plainly", "run"]

TAKES_COMMAND = True

SUMMARY = "guard one server for one agent: judge every tool call on its way there"
EXAMPLES = """examples:
  callgate run -c policy.yaml -- npx -y @modelcontextprotocol/server-filesystem /some/dir
  callgate run -c policy.yaml --audit calls.jsonl --log-level debug -- uvx mcp-server-git
  callgate run -c policy.yaml --upstream https://mcp.example.org/mcp --header 'Authorization: Bearer env:TOKEN'

The exit status is the server's; over HTTP it is 0 when the agent or a signal ends the connection. Before anything is
forwarded: 2 usage, 3 policy, 4 server, 5 state or audit. A server over HTTP is not asked before the agent speaks: one
that cannot be reached is an error in the answer."""


def configure(parser: "ArgumentParser") -> None:
    """Declare the options."""
    from callgate.cli.run_remote import configure as configure_remote

    parser.usage = (
        "callgate run -c POLICY [options] -- COMMAND [ARGUMENT ...]\n"
        "       callgate run -c POLICY [options] --upstream URL [--header 'NAME: VALUE' ...]"
    )
    for option in OPTIONS:
        parser.add_argument(
            *option.flags,
            metavar=option.metavar,
            help=option.help,
            default=option.default,
            choices=option.choices,
            required=option.required,
        )
    configure_remote(parser)


def run(options: "Namespace | SimpleNamespace") -> int:
    """Guard the server until it ends. Returns its status, or ends by the signal that ended it."""
    _fill_standard_descriptors()
    command: list[str] = options.command
    if options.upstream is not None and command:
        raise UsageError("USE005", "two servers: `--upstream` and a command behind `--`", "give one of them")
    if not command and options.upstream is None:
        raise UsageError(
            "USE003",
            "no server to guard",
            "put its command behind `--`, as in `… -- npx -y SERVER`, or give its URL with `--upstream`",
        )
    if options.session is not None and not (
        0 < len(options.session) <= 200 and options.session.isprintable()
    ):
        raise UsageError("USE004", "`--session` wants 1 to 200 printable characters")
    if options.upstream is not None:
        from callgate.cli.run_remote import guessed_name, run_remote

        return run_remote(
            options, _gate_options(options, guessed_name(options.upstream), os.urandom(8).hex())
        )
    # Forked while this process is still small: the keeper stays as small as that.
    from callgate.identity import local_identity
    from callgate.transports.environment import caller_variables
    from callgate.transports.keeper import fork_keeper

    # The server is told the session, so it must have its name before there is anything else.
    token = os.urandom(8).hex()
    pipes = fork_keeper(command, caller_variables(local_identity(), options.session or f"stdio-{token}"))

    # What both need is loaded before this fork; the policy is then read while the gate is being imported.
    import msgspec.json  # noqa: F401

    from callgate.policyloader import PolicyLoad

    load = PolicyLoad(options.config)

    from callgate.app import RunOptions, guard
    from callgate.cli.run_log import make_log
    from callgate.servername import server_name

    status = guard(
        pipes,
        load,
        RunOptions(_gate_options(options, server_name(command), token), command),
        make_log(options.log_level),
    )
    if os.WIFSIGNALED(status):
        _end_by(os.WTERMSIG(status))
    return os.waitstatus_to_exitcode(status)


def _gate_options(options: "Namespace | SimpleNamespace", guessed_name: str, token: str) -> "GateOptions":
    from callgate.agent_gate import GateOptions

    return GateOptions(
        policy=options.config,
        guessed_name=guessed_name,
        state=options.state,
        audit=options.audit,
        audit_sync=options.audit_sync,
        audit_arguments=options.audit_arguments,
        session=options.session,
        token=token,
        server=options.name,
    )


def _fill_standard_descriptors() -> None:
    """Whoever starts the gate may have closed some: the next file opened, say the audit, would take their place."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            # Descriptors are given out from the lowest, so this is the one that is missing.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _end_by(number: int) -> None:
    """End as the server ended, so that whoever started the gate sees no difference."""
    if number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
        os.kill(os.getpid(), number)
    os._exit(128 + number)
