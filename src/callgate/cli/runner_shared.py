"""What the `runner` commands share: their options, and loading what they need."""

from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from callgate.runner.options import RunnerOptions

_EXTRA = ("anyio", "docket", "mcp", "pydantic", "starlette", "uvicorn")


def add_common(parser: "ArgumentParser") -> None:
    """Declare what `runner` and `runner worker` both take."""
    parser.add_argument(
        "-c", "--config", metavar="FILE", help="the configuration, callgate.yaml (default: none)"
    )
    parser.add_argument(
        "--journal",
        metavar="URL",
        help="where executions are kept: sqlite:PATH or postgresql://… (default: SQLite)",
    )
    parser.add_argument(
        "--queue", metavar="URL", help="memory:// or redis://HOST:PORT/DB (default: memory://)"
    )
    parser.add_argument("--concurrency", metavar="N", type=int, help="executions at once (default: 4)")
    parser.add_argument(
        "--log-level",
        default="info",
        choices=("debug", "info", "warning", "error"),
        help="what is said on stderr (default: info)",
    )
    parser.add_argument("--log-format", default="text", choices=("text", "json"), help="how (default: text)")


def options_of(options: "Namespace", *, http: str | None = None, worker: bool = True) -> "RunnerOptions":
    """What the command line says, for `app_runner`."""
    from callgate.runner.options import RunnerOptions

    return RunnerOptions(
        config=options.config,
        http=http,
        journal=options.journal,
        queue=options.queue,
        concurrency=options.concurrency,
        worker=worker,
        log_level=options.log_level,
        log_format=options.log_format,
    )


def open_standard_streams() -> None:
    """Open /dev/null where a standard stream was closed: whatever is opened next would take its place."""
    import os
    import sys

    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, which is this one.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115


def load_app() -> ModuleType:
    """The module that puts the runner together. Raises UsageError (RUN057): what it needs is not installed."""
    from callgate.errors import UsageError

    try:
        from callgate import app_runner
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.split(".")[0] not in _EXTRA:
            raise
        raise UsageError(
            "RUN057", f"`callgate runner` needs `{missing}`", "pip install 'callgate[runner]'"
        ) from error
    return app_runner
