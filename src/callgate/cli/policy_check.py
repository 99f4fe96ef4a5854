"""`callgate policy check`: says of each file whether it is a policy, and everything that is wrong with it."""

import argparse
import sys
from typing import TextIO

from callgate.cli.console import color_wanted, escape, is_terminal
from callgate.cli.render import SCHEMA, diagnostics_data, render_human, render_plain
from callgate.diagnostics import Diagnostic
from callgate.errors import PolicyError, UsageError
from callgate.policy.load import load_policy
from callgate.policy.model import Document
from callgate.policy.normalized import normalized, to_json
from callgate.policyfile import read_policy_file

SUMMARY = "check policy files, and show what they mean"

EXAMPLES = """\
examples:
  callgate policy check policy.yaml
  callgate policy check --format json policies/*.yaml
  callgate policy check --normalized policy.yaml     the one form that all spellings mean, as JSON
  callgate policy check - < policy.yaml

exit status: 0 every file is valid, 2 the command line is not, 3 a file is not
"""

_INVALID = 3


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="policy files; `-` is stdin")
    parser.add_argument(
        "--format",
        choices=("human", "plain", "json"),
        help="how to show findings (default: human on a terminal)",
    )
    parser.add_argument("--normalized", action="store_true", help="print the policy in its one internal form")
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto")


def run(options: argparse.Namespace) -> int:
    """Check every file and report on all, on stdout.

    With `--normalized` stdout is for the policies, and findings go to stderr.
    """
    if options.files.count("-") > 1:
        raise UsageError("USE003", "stdin can be read only once", "name `-` once")
    checked = [_check("stdin" if file == "-" else file, file) for file in options.files]
    status = _INVALID if any(document is None for _, document, _ in checked) else 0
    if options.format == "json" and not options.normalized:
        _print_json(checked)
        return status
    for file, document, found in checked:
        _tell(found, options, sys.stderr if options.normalized else sys.stdout)
        if document is None:
            continue
        if options.normalized:
            sys.stdout.write(to_json(normalized(document)) + "\n")
        else:
            sys.stdout.write(f"{escape(file)}: ok, {_size(document)}\n")
    return status


_Checked = tuple[str, Document | None, tuple[Diagnostic, ...]]
"""What the file is called, the policy if it is valid, and what was found."""


def _check(name: str, file: str) -> _Checked:
    try:
        document = load_policy(read_policy_file(file), name)
    except PolicyError as error:
        return name, None, error.diagnostics
    return name, document, document.warnings


def _tell(found: tuple[Diagnostic, ...], options: argparse.Namespace, stream: TextIO) -> None:
    look = options.format
    color = color_wanted(stream, options.color)
    if look is None:
        look = "human" if color or is_terminal(stream) else "plain"
    if look == "json":
        stream.write(to_json({"schema": SCHEMA, "diagnostics": diagnostics_data(found)}) + "\n")
    else:
        stream.write(render_plain(found) if look == "plain" else render_human(found, color=color))
    stream.flush()


def _print_json(checked: list[_Checked]) -> None:
    files = [
        {
            "file": file,
            "valid": document is not None,
            "form": document.form if document else None,
            "revision": document.revision if document else None,
        }
        for file, document, _ in checked
    ]
    diagnostics = [item for _, _, found in checked for item in diagnostics_data(found)]
    sys.stdout.write(to_json({"schema": SCHEMA, "files": files, "diagnostics": diagnostics}) + "\n")


def _size(document: Document) -> str:
    rules = sum(len(tool.rules) for tool in document.tools)
    return f"{_count(rules, 'rule')} for {_count(len(document.tools), 'tool')}, default {document.default}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
