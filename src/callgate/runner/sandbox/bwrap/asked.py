"""What an interpreter says of itself: started once, before any script, to be asked. Decides nothing."""

import subprocess

import msgspec
from msgspec import Struct

from callgate.errors import SandboxError
from callgate.text import quote

_ASK = """
import glob, json, os, sys, sysconfig, platform
prefix = os.path.realpath(sys.base_prefix)
folders = [path for path in sys.path if path.startswith(sys.base_prefix) and os.path.exists(path)]
folders = [path for path in folders if not any(path.startswith(other + "/") for other in folders)]
if prefix not in ("/usr", "/"):
    try:
        import ctypes
        # What the extension modules link to, and those that packages may find nowhere else.
        wanted = [path for each in sys.path for path in glob.glob(glob.escape(each) + "/*.so")]
        wanted += [f"{prefix}/lib/{name}" for name in ("libstdc++.so.6", "libgcc_s.so.1")]
        for path in wanted:
            if not os.path.basename(path).startswith(("_test", "_tkinter", "_xx", "xx")):
                try:
                    ctypes.CDLL(path)
                except OSError:
                    pass
    except ImportError:
        pass
with open("/proc/self/maps") as lines:
    mapped = {line.split(maxsplit=5)[5].rstrip() for line in lines if "/" in line}
print(json.dumps({"prefix": prefix, "version": list(sys.version_info[:2]),
    "implementation": sys.implementation.name, "machine": platform.machine(),
    "multiarch": sysconfig.get_config_var("MULTIARCH") or "",
    "modules": [(os.path.realpath(path), os.path.relpath(path, sys.base_prefix)) for path in folders],
    "libraries": sorted(path for path in mapped if ".so" in os.path.basename(path)
        and path.startswith(prefix + "/") and not any(path.startswith(os.path.realpath(f)) for f in folders))}))
"""
_SECONDS = 20.0


class Told(Struct, frozen=True):
    """`modules` are the parts of the standard library, as (path here, path below the prefix).

    `libraries` are the shared libraries below the prefix that the interpreter or its extension modules link to.
    """

    prefix: str
    version: tuple[int, int]
    implementation: str
    machine: str
    multiarch: str
    modules: tuple[tuple[str, str], ...]
    libraries: tuple[str, ...]


def ask(python: str) -> Told:
    """Start `python` (a path; one of a virtual environment will do). Blocks for one start of it.

    Raises SandboxError (SBX005) if it cannot be run or is too old.
    """
    try:
        said = subprocess.run(
            [python, "-I", "-S", "-c", _ASK],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=True,
        ).stdout
        told = msgspec.json.decode(said, type=Told)
    except (OSError, subprocess.SubprocessError, msgspec.MsgspecError) as problem:
        raise SandboxError(
            "SBX005",
            f"the interpreter for scripts, {quote(python)}, cannot be run ({type(problem).__name__})",
            "name a CPython 3.11 or newer as `runner.python`, or leave it out to use the runner's own",
        ) from None
    if told.implementation != "cpython" or told.version < (3, 11):
        raise SandboxError(
            "SBX005",
            f"the interpreter for scripts, {quote(python)}, is {told.implementation} "
            f"{told.version[0]}.{told.version[1]}",
            "name a CPython 3.11 or newer as `runner.python`, or leave it out to use the runner's own",
        )
    return told
