"""Where a script is read: here if it is small, else in a child with bounds on memory and time.

CPython's parser takes quadratic time or memory for some texts (seen: 24 GB for 800 kB of one dotted import, 25 s for
one f-string of 600 kB). A script below `SMALL` cannot do that; the bigger ones cannot do it here.
"""

import gc
import os
import resource
import subprocess
import sys

import msgspec
from msgspec import Struct

from callgate.runner.precheck.facts import Facts, Fault
from callgate.runner.precheck.reading import read_script

SMALL = 8 << 10
"""In bytes. Beyond, starting a child (some 50 ms) is the lesser evil."""

_MEMORY = 1 << 30
_CPU_SECONDS = 5
_WALL_SECONDS = 20
_TOO_MUCH = Fault(kind="size", message="the script takes too much time or memory to read")


class Question(Struct, frozen=True):
    """What the child is asked. Scripts go in as text: they are valid UTF-8, as the caller has seen."""

    script: str
    wanted: tuple[str, ...]


def facts_of(script: str, wanted: tuple[str, ...]) -> Facts:
    """The facts about a script, in bounded time and memory. Blocking: up to seconds if the script is not small."""
    try:
        size = len(script.encode())
    except UnicodeEncodeError:
        return read_script(script, wanted)
    if size <= SMALL:
        return read_script(script, wanted)
    try:
        asked = subprocess.run(
            [sys.executable, "-I", "-m", "callgate.runner.precheck.bounded"],
            input=msgspec.json.encode(Question(script, wanted)),
            capture_output=True,
            timeout=_WALL_SECONDS,
            check=True,
        )
        return msgspec.json.decode(asked.stdout, type=Facts)
    except (subprocess.SubprocessError, OSError, msgspec.DecodeError):
        # Killed by a bound, or by a fault of the parser that the script found.
        return Facts(fault=_TOO_MUCH)


def main() -> None:
    """The child: a question on stdin, its answer on stdout."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(10)
    gc.disable()  # a tree is no garbage, and looking through it again and again takes most of the time
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
    sys.stdout.buffer.write(msgspec.json.encode(read_script(question.script, question.wanted)))


if __name__ == "__main__":
    main()
