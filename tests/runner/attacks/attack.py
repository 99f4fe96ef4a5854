"""What one attack is: the script that tries, how it must end, and the innocent script that must go on working.

Scripts find `world` (where things of the host are, see `attack_world`) and, by PRELUDE, ways to try things. What they
learn goes to `said`: a name, and an empty text if the wall held, else what went through.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from callgate.runner.sandbox.contract import Limits

LIMITS = Limits(
    memory=256 << 20,
    disk=16 << 20,
    inodes=500,
    threads=16,
    output=64 << 10,
    results=1 << 20,
    wall_seconds=30.0,
)

PRELUDE = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
said = {}
WALLS = {"EPERM", "EACCES", "ENOENT", "EROFS", "ENOSYS", "EXDEV", "ENOTDIR", "ENXIO", "ENODEV"}
def refused(name, what, *arguments, **named):
    try:
        said[name] = f"went through: {what(*arguments, **named)!r}"[:200]
    except OSError as error:
        found = errno.errorcode.get(error.errno, str(error))
        said[name] = "" if found in WALLS else f"answered with {found}"
def kernel(call, *arguments):
    ctypes.set_errno(0)
    wide = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    answer = libc.syscall(ctypes.c_long(world["calls"][call]), *wide)
    if answer == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer
def holds(name, condition, detail="it does not hold"):
    said[name] = "" if condition else str(detail)[:200]
def frame(text, length=None):
    body = text if isinstance(text, bytes) else text.encode()
    os.write(4, (len(body) if length is None else length).to_bytes(4, "big") + body)
"""

DONE = '{"t":"done","results":{}}'


class InMonty(Struct, frozen=True, kw_only=True):
    """The same attack in the language that Monty has. `ends` as in `Attack`, or the exception's name."""

    script: str
    ends: tuple[str, ...]
    safe: str
    outputs: Mapping[str, str] = field(default_factory=dict)


class Attack(Struct, frozen=True, kw_only=True):
    """`ends`: the endings that are right, each `state` or `state: cause`. `safe` must complete.

    `limits` are changes to LIMITS. `outputs` are further output variables; `said` is one if the script has it.
    `results`, if given, are what must come out. `grows`: how much more memory the host may take meanwhile, in bytes.
    """

    name: str
    script: str
    safe: str
    ends: tuple[str, ...] = ("completed",)
    limits: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    results: Mapping[str, Any] | None = None
    grows: int = 48 << 20
    monty: InMonty | None = None

    @property
    def tells(self) -> bool:
        """Whether the script says what went through."""
        return "refused(" in self.script or "holds(" in self.script
