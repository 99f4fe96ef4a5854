"""The command tree. Each command is a module of its own that is imported only when it is asked for.

A command module has SUMMARY and EXAMPLES (texts), `configure(parser)` and `run(options) -> exit status`.
It may have `read_plainly(words) -> options | None` to spare the full parser where that matters.
"""

import importlib
import os
import sys
from collections.abc import Sequence

import callgate
from callgate.errors import CallgateError, UsageError

COMMANDS: dict[str, str] = {
    "run": "callgate.cli.run",
    "serve": "callgate.cli.serve",
    "runner": "callgate.cli.runner",
    "runner worker": "callgate.cli.runner_worker",
    "runner check": "callgate.cli.runner_check",
    "policy check": "callgate.cli.policy_check",
    "policy explain": "callgate.cli.policy_explain",
    "policy schema": "callgate.cli.policy_schema",
    "config check": "callgate.cli.config_check",
    "config schema": "callgate.cli.config_schema",
    "audit verify": "callgate.cli.audit_verify",
    "calls tail": "callgate.cli.calls_tail",
    "calls show": "callgate.cli.calls_show",
    "calls stats": "callgate.cli.calls_stats",
    "status": "callgate.cli.status",
    "key new": "callgate.cli.key_new",
    "key list": "callgate.cli.key_list",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's). Returns the exit status; prints errors on stderr."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _finished(_dispatch(words))
    except CallgateError as error:
        from callgate.cli.console import print_error

        print_error(error)
        return error.exit_status
    except BrokenPipeError:
        # The reader of our output is gone; nothing is wrong. Python must not try to flush to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if os.environ.get("CALLGATE_TRACEBACK"):
            raise
        from callgate.cli.console import print_error
        from callgate.text import escape

        told = f"this should not have happened: {escape(type(error).__name__)}: {escape(str(error))}"
        help = "set CALLGATE_TRACEBACK=1, run it again, and report what it prints"
        print_error(CallgateError("BUG001", told, help))
        return 70


def _finished(status: int) -> int:
    """Write out what waits: that it cannot be written is to be noticed here and not at the interpreter's end."""
    if sys.stdout is not None:
        sys.stdout.flush()
    return status


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write(_overview())
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        sys.stdout.write(f"callgate {callgate.__version__}\n")
        return 0
    # The longer name first: `runner worker` is not `runner` with an argument.
    for length in (2, 1):
        name = " ".join(words[:length])
        if len(words) >= length and name in COMMANDS:
            module = importlib.import_module(COMMANDS[name])
            read_plainly = getattr(module, "read_plainly", None)
            options = read_plainly(words[length:]) if read_plainly is not None else None
            if options is None:
                from callgate.cli.parser import parse

                options = parse(name, module, words[length:])
                if options is None:
                    return 0
            status: int = module.run(options)
            return status
    group = words[0]
    verbs = [name.split(" ")[1] for name in COMMANDS if name.startswith(f"{group} ")]
    if verbs and (len(words) == 1 or words[1] in ("-h", "--help")):
        sys.stdout.write(_overview(group))
        return 0 if len(words) > 1 else 2
    raise _unknown(words, " ".join(words[:2]) if verbs else group)


def _unknown(words: list[str], name: str) -> UsageError:
    from difflib import get_close_matches

    from callgate.text import quote

    groups = {known.split(" ")[0] for known in COMMANDS}
    close = get_close_matches(" ".join(words[:2]), COMMANDS, n=1) or get_close_matches(words[0], groups, n=1)
    help = f"did you mean `callgate {close[0]}`?" if close else "see `callgate --help`"
    return UsageError("USE001", f"unknown command {quote(name)}", help)


def _overview(group: str | None = None) -> str:
    names = [name for name in COMMANDS if group is None or name.startswith(f"{group} ")]
    lines = [f"  callgate {name:<15} {importlib.import_module(COMMANDS[name]).SUMMARY}" for name in names]
    return "\n".join(
        [
            "Hard limits for the tool calls of AI agents.",
            "",
            *lines,
            "",
            "`callgate COMMAND --help` says more. `callgate --version` says which version this is.",
            "",
        ]
    )
