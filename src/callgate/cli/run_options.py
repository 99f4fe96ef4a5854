"""The options of `callgate run`: one table, and a reader of its plain form that does without argparse.

argparse costs a tenth of the start. Only what is beyond doubt is read here (`--option VALUE` or
`--option=VALUE`, then `--` and the command); for anything else, mistakes and `--help` included, the full parser
has the word. Both make the same of the same line.
"""

from collections.abc import Sequence
from types import SimpleNamespace


class Option:
    """One option with a value. `flags` are its spellings, the long one last.

    A plain class: this is read before the keeper is forked, which must stay small.
    """

    __slots__ = ("choices", "default", "flags", "help", "metavar", "name", "required")

    def __init__(
        self,
        flags: tuple[str, ...],
        metavar: str | None,
        help: str,
        default: str | None = None,
        choices: tuple[str, ...] | None = None,
        *,
        required: bool = False,
    ) -> None:
        self.flags = flags
        self.metavar = metavar
        self.help = help
        self.default = default
        self.choices = choices
        self.required = required
        self.name = flags[-1].lstrip("-").replace("-", "_")


OPTIONS = (
    Option(("-c", "--config"), "POLICY", "the policy file", required=True),
    Option(
        ("--state",),
        "URL",
        "limit store: memory://, sqlite:///PATH[?sync=normal] or redis://HOST[:PORT][/DB]",
    ),
    Option(("--audit",), "FILE", "append a record of every call to FILE (JSON lines)"),
    Option(
        ("--audit-sync",),
        None,
        "full: on the disk before a call is forwarded; none: in the file, fast (default: full)",
        "full",
        ("full", "none"),
    ),
    Option(
        ("--audit-arguments",),
        None,
        "what the audit holds of the arguments (default: hash)",
        "hash",
        ("hash", "redacted", "full"),
    ),
    Option(("--session",), "ID", "name the session, to go on with its counters later"),
    Option(("--name",), "SERVER", "name of the server in rules, limits and audit"),
    Option(
        ("--log-level",),
        None,
        "what is said on stderr (default: info)",
        "info",
        ("debug", "info", "warning", "error"),
    ),
)

REMOTE_OPTIONS = ("upstream", "header", "ca_file", "timeout")
"""Names of what `run_remote` declares."""


def read_plainly(words: Sequence[str]) -> SimpleNamespace | None:
    """The options in `words`, or None if the full parser must look at them."""
    by_flag = {flag: option for option in OPTIONS for flag in option.flags}
    # Options of servers over HTTP are for the full parser: there are no milliseconds to win.
    found: dict[str, str | None] = dict.fromkeys(REMOTE_OPTIONS)
    found.update((option.name, option.default) for option in OPTIONS)
    seen: set[str] = set()
    rest = iter(words)
    for word in rest:
        if word == "--":
            command = list(rest)
            complete = command and all(option.name in seen for option in OPTIONS if option.required)
            return SimpleNamespace(**found, command=command) if complete else None
        flag, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        option = by_flag.get(flag)
        if not equals:
            value = next(rest, "")
        if option is None or option.name in seen or not value or value.startswith("-"):
            return None
        if option.choices is not None and value not in option.choices:
            return None
        seen.add(option.name)
        found[option.name] = value
    return None
