"""`callgate serve`: one listener, many MCP servers behind it, every tool call judged on its way."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "serve many MCP servers over HTTP and judge every tool call on its way there"
EXAMPLES = """examples:
  callgate serve -c callgate.yaml
  callgate serve -c callgate.yaml --host 0.0.0.0 --port 8722 --state redis://cache:6379/0
  callgate config check callgate.yaml

Server NAME of the file is reached at http://HOST:PORT/NAME/mcp. SIGTERM drains: calls under way may finish.
Exit status: 0 told to end, 2 usage or address, 3 configuration or policy, 4 server, 5 state or audit."""


def configure(parser: "ArgumentParser") -> None:
    """Declare the options."""
    parser.add_argument(
        "-c", "--config", metavar="FILE", required=True, help="the configuration, callgate.yaml"
    )
    parser.add_argument("--host", metavar="ADDRESS", help="where to listen (default: 127.0.0.1)")
    parser.add_argument(
        "--port", metavar="PORT", type=int, help="port to listen on, 0 for any (default: 8722)"
    )
    parser.add_argument(
        "--state", metavar="URL", help="limit store: memory://, sqlite:///PATH or redis://HOST[:PORT][/DB]"
    )
    parser.add_argument("--audit", metavar="FILE", help="append a record of every call to FILE (JSON lines)")
    parser.add_argument(
        "--audit-sync",
        choices=("full", "none"),
        help="full: on the disk before a call is forwarded; none: in the file, fast (default: full)",
    )
    parser.add_argument("--workers", metavar="N", type=int, help="processes that serve (default: 1)")
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate and chain, PEM; HTTPS then")
    parser.add_argument("--tls-key", metavar="FILE", help="its private key, PEM")
    parser.add_argument(
        "--log-level",
        default="info",
        choices=("debug", "info", "warning", "error"),
        help="what is said on stderr (default: info)",
    )
    parser.add_argument("--log-format", default="text", choices=("text", "json"), help="how (default: text)")


def run(options: "Namespace") -> int:
    """Serve until told to end."""
    # Forked while this process is still small: children of servers are started from there.
    from callgate.transports.spawner import fork_nursery

    spawner = fork_nursery()

    from callgate.app_serve import serve
    from callgate.cli.console import print_error
    from callgate.serve.options import ServeOptions

    try:
        return serve(
            ServeOptions(
                config=options.config,
                host=options.host,
                port=options.port,
                state=options.state,
                audit=options.audit,
                audit_sync=options.audit_sync,
                workers=options.workers,
                tls_cert=options.tls_cert,
                tls_key=options.tls_key,
                log_level=options.log_level,
                log_format=options.log_format,
            ),
            spawner,
            print_error,
        )
    finally:
        spawner.close()
