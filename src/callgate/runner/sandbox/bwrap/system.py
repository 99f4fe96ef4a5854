"""What an interpreter needs of this machine's files: found out once, by asking it. Starts nothing else.

The list is a minimum. Whatever is not named here does not exist in a sandbox: no `/etc`, no home, no `/run`, and
nothing that is installed beside the interpreter or into it.
"""

import glob
import os
import platform
import shutil
import sys

from msgspec import Struct

from callgate.errors import SandboxError
from callgate.runner.sandbox.bwrap.asked import Told, ask
from callgate.text import quote

_MACHINES = ("x86_64", "aarch64")
_SYSTEM_PREFIXES = ("/usr", "/")
_LIBRARIES = ("/usr/lib64", "/usr/lib32", "/usr/lib")
INSIDE = "/opt/python"
_INSTALLED = ("site-packages", "dist-packages")


class Interpreter(Struct, frozen=True):
    """One Python, as a sandbox has it. `binds` are (here, inside), read-only; `links` are (to, where).

    `hidden` are the folders within `binds`, again as (here, inside), that must look empty: what was installed for
    others. `executable` and `library_path` are paths inside. `prefix` is what is INSIDE there, here. `version` as in
    `sys.version_info`.
    """

    executable: str
    library_path: str
    version: tuple[int, int]
    machine: str
    binds: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]
    hidden: tuple[tuple[str, str], ...]
    prefix: str


def interpreter(python: str) -> Interpreter:
    """Ask `python` (a path; one of a virtual environment will do) what it is. Blocks for one start of it.

    Raises SandboxError (SBX005) if it cannot be run or is too old.
    """
    return _needs(ask(python))


def _needs(told: Told) -> Interpreter:
    name = f"python{told.version[0]}.{told.version[1]}"
    binds: list[tuple[str, str]] = []
    links: list[tuple[str, str]] = []
    if told.prefix in _SYSTEM_PREFIXES:
        executable = f"/usr/bin/{name}"
        binds += [(executable, executable)]
        library_path = ""
    else:
        executable = f"{INSIDE}/bin/{name}"
        binds += [(os.path.realpath(f"{told.prefix}/bin/{name}"), executable)]
        binds += [(here, f"{INSIDE}/{below}") for here, below in told.modules]
        # The prefix has another name inside, and programs are often linked with its name here.
        library_path = f"{INSIDE}/lib"
        own, links = _own_libraries(told)
        binds += own
    binds += [(folder, folder) for folder in _shared_libraries(told)]
    outside = executable.replace(INSIDE, told.prefix, 1)
    loader = _loader(outside)
    links.append(("usr/lib", "/lib"))
    if os.path.isdir("/usr/lib64") and any(inside == "/usr/lib64" for _, inside in binds):
        links.append(("usr/lib64", "/lib64"))
    elif loader.startswith("/lib64/"):
        binds.append((os.path.realpath(loader), loader))
    if loader.startswith("/lib/") and not any(inside == "/usr/lib" for _, inside in binds):
        binds.append((os.path.realpath(loader), "/usr" + loader))
    if os.path.isdir("/usr/share/zoneinfo"):
        binds.append(("/usr/share/zoneinfo", "/usr/share/zoneinfo"))
    hidden = tuple(each for bind in binds for each in _installed(*bind))
    return Interpreter(
        executable, library_path, told.version, told.machine, tuple(binds), tuple(links), hidden, told.prefix
    )


def _shared_libraries(told: Told) -> list[str]:
    """The folders of shared libraries: only the machine's own where the system keeps them apart (Debian)."""
    apart = f"/usr/lib/{told.multiarch}" if told.multiarch else ""
    if apart and os.path.exists(f"{apart}/libc.so.6"):
        found = [apart]
        if told.prefix in _SYSTEM_PREFIXES:
            found += [here for here, _ in told.modules]
        if os.path.isdir("/usr/lib/locale/C.utf8"):
            found.append("/usr/lib/locale/C.utf8")
        return found
    return [folder for folder in _LIBRARIES if os.path.isdir(folder) and not os.path.islink(folder)]


def _own_libraries(told: Told) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(binds, links): the libraries below the prefix, each by all the names that it has beside it."""
    binds: list[tuple[str, str]] = []
    links: list[tuple[str, str]] = []
    for path in told.libraries:
        folder, name = os.path.split(path)
        inside = path.replace(told.prefix, INSIDE, 1)
        binds.append((path, inside))
        links += [
            (name, os.path.join(os.path.dirname(inside), entry.name))
            for entry in os.scandir(folder)
            if entry.name != name and ".so" in entry.name and os.path.realpath(entry.path) == path
        ]
    return binds, links


def _installed(here: str, inside: str) -> list[tuple[str, str]]:
    """The folders for installed packages in a part of the standard library, or in a folder above several of those."""
    found: list[tuple[str, str]] = []
    for name in _INSTALLED:
        for pattern in (name, f"python*/{name}"):
            found += [
                (path, inside + path[len(here) :])
                for path in sorted(glob.glob(f"{glob.escape(here)}/{pattern}"))
                if os.path.isdir(path) and not os.path.islink(path)
            ]
    return found


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
