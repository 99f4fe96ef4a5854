"""The full option parser: help, and errors in the manner of every other error."""

import argparse
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from callgate.errors import UsageError
from callgate.text import quote


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in the manner of every other error, and never prints the whole usage for it."""

    def error(self, message: str) -> NoReturn:
        raise UsageError("USE002", message.replace("'", "`"), f"see `{self.prog} --help`")


def parse(name: str, module: ModuleType, words: Sequence[str]) -> argparse.Namespace | None:
    """Read the options of the command `name`. Raises UsageError; None if help was asked for, and printed."""
    parser = _Parser(
        prog=f"callgate {name}",
        description=module.SUMMARY,
        epilog=module.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.configure(parser)
    options_end = len(words)
    if getattr(module, "TAKES_COMMAND", False) and "--" in words:
        options_end = words.index("--")
    if "-h" in words[:options_end] or "--help" in words[:options_end]:
        parser.print_help()
        return None
    # Options may stand between the arguments, which parse_args takes in one run only.
    options, rest = parser.parse_known_intermixed_args(words[:options_end])
    if rest:
        raise _unknown(parser, rest[0], takes_command=getattr(module, "TAKES_COMMAND", False))
    options.command = words[options_end + 1 :]
    return options


def _unknown(parser: argparse.ArgumentParser, word: str, *, takes_command: bool) -> UsageError:
    from difflib import get_close_matches

    flag = word.partition("=")[0]
    close = get_close_matches(
        flag, [text for action in parser._actions for text in action.option_strings], n=1
    )
    if close and flag.startswith("-"):
        return UsageError("USE002", f"unknown option {quote(flag)}", f"did you mean `{close[0]}`?")
    kind = "option" if word.startswith("-") else "argument"
    behind = "; a server's command goes behind `--`" if takes_command and kind == "argument" else ""
    return UsageError("USE002", f"unexpected {kind} {quote(word)}", f"see `{parser.prog} --help`{behind}")
