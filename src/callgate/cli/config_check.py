"""`callgate config check`: says whether callgate.yaml and the policies it names are valid, and what is wrong."""

import argparse
import sys

from callgate.cli.console import color_wanted, escape, is_terminal
from callgate.cli.render import SCHEMA, diagnostics_data, render_human, render_plain
from callgate.config.load import load_files
from callgate.config.model import ServeConfig
from callgate.config.programs import missing_programs
from callgate.diagnostics import Diagnostic
from callgate.errors import ConfigError, UsageError
from callgate.policy.normalized import to_json

SUMMARY = "check callgate.yaml, and every policy that it names"

EXAMPLES = """\
examples:
  callgate config check -c callgate.yaml
  callgate config check --format json deploy/*/callgate.yaml
  callgate config check - < callgate.yaml

Secrets are not looked up, and servers are not started: the files are read, and programs looked for on the PATH.

exit status: 0 every file is valid, 2 the command line is not, 3 a file is not
"""

_INVALID = 3


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="configurations (default: callgate.yaml); `-` is stdin"
    )
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        action="append",
        default=[],
        help="the same, as other commands take it",
    )
    parser.add_argument(
        "--format",
        choices=("human", "plain", "json"),
        help="how to show findings (default: human on a terminal)",
    )
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto")


def run(options: argparse.Namespace) -> int:
    """Check every file and report on all, on stdout."""
    files = [*options.config, *options.files]
    if files.count("-") > 1:
        raise UsageError("USE003", "stdin can be read only once", "name `-` once")
    checked = [_check(file) for file in files or ["callgate.yaml"]]
    status = _INVALID if any(config is None for _, config, _ in checked) else 0
    if options.format == "json":
        _print_json(checked)
        return status
    color = color_wanted(sys.stdout, options.color)
    look = options.format or ("human" if color or is_terminal(sys.stdout) else "plain")
    for file, config, found in checked:
        sys.stdout.write(render_plain(found) if look == "plain" else render_human(found, color=color))
        if config is not None:
            sys.stdout.write(f"{escape(file)}: ok, {_size(config)}\n")
    return status


_Checked = tuple[str, ServeConfig | None, tuple[Diagnostic, ...]]
"""What the file is called, what it says if it is valid, and what was found in it and in its policies."""


def _check(file: str) -> _Checked:
    name = "stdin" if file == "-" else file
    try:
        loaded = load_files(file)
    except ConfigError as error:
        return name, None, error.diagnostics
    config, of_runner = loaded.config, loaded.runner_policy
    documents = (*loaded.documents.values(), *(() if of_runner is None else (of_runner,)))
    policies = {id(document): document.warnings for document in documents}
    of_policies = (each for found in policies.values() for each in found)
    return name, config, (*config.warnings, *missing_programs(config, name), *of_policies)


def _print_json(checked: list[_Checked]) -> None:
    files = [
        {
            "file": file,
            "valid": config is not None,
            "revision": config.revision if config else None,
            "servers": [server.name for server in config.servers] if config else None,
            "runner": config.runner is not None if config else None,
        }
        for file, config, _ in checked
    ]
    diagnostics = [item for _, _, found in checked for item in diagnostics_data(found)]
    sys.stdout.write(to_json({"schema": SCHEMA, "files": files, "diagnostics": diagnostics}) + "\n")


def _size(config: ServeConfig) -> str:
    number = len(config.servers)
    listen = config.listen
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    scheme = "http" if listen.tls_cert is None else "https"
    runner = "" if config.runner is None else " and a runner"
    servers = f"{number} server{'' if number == 1 else 's'}"
    return f"{servers}{runner} at {scheme}://{escape(host)}:{listen.port}"
