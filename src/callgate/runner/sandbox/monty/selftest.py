"""What is tried before a script is taken: everything that the interpreter must not be able to reach.

Each attempt is a script that would print what it got. The wall is held if it ends with the error named beside it;
the first script shows that harmless ones still run, so that a wall is not held because nothing works.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from callgate.runner.answer import Answer, Failure
from callgate.runner.execution import Ending
from callgate.runner.sandbox.contract import Host, Job, Limits, Stream, WallReport

_LIMITS: Final = Limits(memory=64 << 20, cpu_seconds=0.1, wall_seconds=30.0)

ATTEMPTS: Final[tuple[tuple[str, str, frozenset[str]], ...]] = (
    ("read a file", "print(open('/etc/passwd').read())", frozenset({"PermissionError"})),
    (
        "read a file by its path",
        "from pathlib import Path\nprint(Path('/etc/passwd').read_text())",
        frozenset({"PermissionError"}),
    ),
    ("write a file", "open('/tmp/callgate-self-test', 'w').write('x')", frozenset({"PermissionError"})),
    ("list a folder", "import os\nprint(os.listdir('/'))", frozenset({"PermissionError"})),
    ("run a program", "import os\nprint(os.system('id'))", frozenset({"AttributeError"})),
    ("start a process", "import subprocess", frozenset({"ModuleNotFoundError"})),
    ("open a socket", "import socket", frozenset({"ModuleNotFoundError"})),
    ("call native code", "import ctypes", frozenset({"ModuleNotFoundError"})),
    ("import by a builtin", "print(__import__('os'))", frozenset({"NameError"})),
    ("walk to other classes", "print(().__class__.__base__.__subclasses__())", frozenset({"AttributeError"})),
    ("see the environment", "import os\nprint(os.environ['PATH'])", frozenset({"KeyError"})),
    ("use more memory", "x = 'a' * 100_000_000", frozenset({"MemoryError"})),
    ("compute for ever", "while True:\n    pass", frozenset({"TimeoutError"})),
)


class _Nobody(Host):
    """A host that offers nothing, and keeps what is written."""

    def __init__(self) -> None:
        self.written = b""

    async def call(self, function: str, arguments: dict[str, Any]) -> Answer:  # noqa: ARG002
        return Answer(failure=Failure(kind="unknown_tool", message="there are no tools", ran=False))

    def output(self, stream: Stream, data: bytes) -> None:  # noqa: ARG002
        self.written += data

    def progress(self, fraction: float | None, text: str | None) -> None:
        """Nobody looks."""


async def self_test(run: Callable[[Job, Host], Awaitable[Ending]]) -> Sequence[WallReport]:
    """Try every wall through `run`; returns one report for each. Raises SandboxError if nothing can be run."""
    host = _Nobody()
    ending = await run(_job("print(6 * 7)"), host)
    works = ending.state == "completed" and host.written == b"42\n"
    reports = [WallReport("a harmless script runs", works, "" if works else _told(ending))]
    for name, script, errors in ATTEMPTS:
        host = _Nobody()
        ending = await run(_job(script), host)
        held = ending.error is not None and ending.error.type in errors and not host.written
        reports.append(WallReport(name, held, _told(ending)))
    return reports


def _job(script: str) -> Job:
    return Job(uuid="self-test", attempt=0, script=script, limits=_LIMITS)


def _told(ending: Ending) -> str:
    error = ending.error
    return ending.state if error is None else f"{ending.state}: {error.type}: {error.message[:200]}"
