"""What an interpreter needs of this machine's files: found out once, by asking it. Starts nothing else.

The list is a minimum. Whatever is not named here does not exist in a sandbox: no `/etc`, no home, no `/run`.
"""

import os
import platform
import shutil
import subprocess
import sys

import msgspec
from msgspec import Struct

from callgate.errors import SandboxError
from callgate.text import quote

_ASK = """
import json, os, sys, sysconfig, platform
print(json.dumps({"prefix": os.path.realpath(sys.base_prefix), "version": list(sys.version_info[:2]),
    "implementation": sys.implementation.name, "machine": platform.machine(),
    "multiarch": sysconfig.get_config_var("MULTIARCH") or ""}))
"""
_MACHINES = ("x86_64", "aarch64")
_SECONDS = 20.0
_SYSTEM_PREFIXES = ("/usr", "/")
_LIBRARIES = ("/usr/lib64", "/usr/lib32", "/usr/lib")
INSIDE = "/opt/python"


class _Told(Struct, frozen=True):
    prefix: str
    version: tuple[int, int]
    implementation: str
    machine: str
    multiarch: str


class Interpreter(Struct, frozen=True):
    """One Python, as a sandbox has it. `binds` are (here, inside), read-only; `links` are (to, where).

    `executable` and `library_path` are paths inside. `version` as in `sys.version_info`.
    """

    executable: str
    library_path: str
    version: tuple[int, int]
    machine: str
    binds: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]


def interpreter(python: str) -> Interpreter:
    """Ask `python` (a path; one of a virtual environment will do) what it is. Blocks for one start of it.

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
        told = msgspec.json.decode(said, type=_Told)
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
    return _needs(told)


def _needs(told: _Told) -> Interpreter:
    name = f"python{told.version[0]}.{told.version[1]}"
    binds: list[tuple[str, str]] = []
    if told.prefix in _SYSTEM_PREFIXES:
        executable = f"/usr/bin/{name}"
        binds += [(executable, executable)]
        library_path = ""
    else:
        executable = f"{INSIDE}/bin/{name}"
        binds += [(told.prefix, INSIDE)]
        # The prefix has another name inside, and programs are often linked with its name here.
        library_path = f"{INSIDE}/lib"
    binds += [(folder, folder) for folder in _shared_libraries(told, name)]
    outside = executable.replace(INSIDE, told.prefix, 1)
    loader = _loader(outside)
    links: list[tuple[str, str]] = [("usr/lib", "/lib")]
    if os.path.isdir("/usr/lib64") and any(inside == "/usr/lib64" for _, inside in binds):
        links.append(("usr/lib64", "/lib64"))
    elif loader.startswith("/lib64/"):
        binds.append((os.path.realpath(loader), loader))
    if loader.startswith("/lib/") and not any(inside == "/usr/lib" for _, inside in binds):
        binds.append((os.path.realpath(loader), "/usr" + loader))
    if os.path.isdir("/usr/share/zoneinfo"):
        binds.append(("/usr/share/zoneinfo", "/usr/share/zoneinfo"))
    return Interpreter(executable, library_path, told.version, told.machine, tuple(binds), tuple(links))


def _shared_libraries(told: _Told, name: str) -> list[str]:
    """The folders of shared libraries: only the machine's own where the system keeps them apart (Debian)."""
    apart = f"/usr/lib/{told.multiarch}" if told.multiarch else ""
    if apart and os.path.exists(f"{apart}/libc.so.6"):
        found = [apart]
        if told.prefix in _SYSTEM_PREFIXES:
            found.append(f"/usr/lib/{name}")
        if os.path.isdir("/usr/lib/locale/C.utf8"):
            found.append("/usr/lib/locale/C.utf8")
        return found
    return [folder for folder in _LIBRARIES if os.path.isdir(folder) and not os.path.islink(folder)]


def _loader(executable: str) -> str:
    """The path that the program asks its loader to be at (ELF, PT_INTERP); empty for a static program.

    Raises SandboxError (SBX005) if it is no program of this kind.
    """
    try:
        with open(os.path.realpath(executable), "rb") as file:
            head = file.read(64)
            if head[:5] != b"\x7fELF\x02":
                raise ValueError("not a 64-bit ELF file")
            offset = int.from_bytes(head[32:40], "little")
            size, count = int.from_bytes(head[54:56], "little"), int.from_bytes(head[56:58], "little")
            for index in range(count):
                file.seek(offset + index * size)
                entry = file.read(56)
                if int.from_bytes(entry[:4], "little") == 3:
                    file.seek(int.from_bytes(entry[8:16], "little"))
                    return file.read(int.from_bytes(entry[32:40], "little")).rstrip(b"\0").decode()
    except (OSError, ValueError) as problem:
        raise SandboxError(
            "SBX005",
            f"the interpreter for scripts, {quote(executable)}, cannot be read ({problem})",
            "name the CPython's own executable as `runner.python`",
        ) from None
    return ""


def check_machine() -> None:
    """That sandboxes can be made on such a machine. Raises SandboxError (SBX001, SBX002)."""
    if sys.platform != "linux":
        raise SandboxError(
            "SBX001",
            f"sandboxes need Linux; this is {quote(sys.platform)}",
            "run the runner in a Linux machine or virtual machine, or choose `runner.backend: monty`",
        )
    if platform.machine() not in _MACHINES:
        raise SandboxError(
            "SBX002",
            f"sandboxes are made on {' and '.join(_MACHINES)}; this machine is {quote(platform.machine())}",
            "choose `runner.backend: monty`, with `accept_tier: interpreter`",
        )


def find_bwrap() -> str:
    """The path of bubblewrap. Raises SandboxError (SBX001, SBX002, SBX003)."""
    check_machine()
    found = shutil.which("bwrap")
    if found is None:
        raise SandboxError(
            "SBX003",
            "bubblewrap is not installed: there is no `bwrap` on the PATH",
            "install the package `bubblewrap` (Debian, Ubuntu, Fedora, Alpine and Arch all call it that)",
        )
    return os.path.realpath(found)
