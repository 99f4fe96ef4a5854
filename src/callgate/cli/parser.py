"""The full option parser: help, and errors in the manner of every other error."""

import argparse
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from callgate.errors import UsageError


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in the manner of every other error, and never prints the whole usage for it."""

    def error(self, message: str) -> NoReturn:
        raise UsageError("USE002", message.replace("'", "`"), f"see `{self.prog} --help`")


def parse(name: str, module: ModuleType, words: Sequence[str]) -> argparse.Namespace:
    """Read the options of the command `name`. Raises UsageError; prints help and exits if asked to."""
    parser = _Parser(
        prog=f"callgate {name}",
        description=module.SUMMARY,
        epilog=module.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.configure(parser)
    return parser.parse_args(words)
