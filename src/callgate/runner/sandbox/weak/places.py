"""What a guest without mounts may read of this machine, and whether its user can get there. Reads nothing itself."""

import os
from collections.abc import Sequence

from callgate.errors import SandboxError
from callgate.runner.sandbox.bwrap.system import INSIDE, Interpreter
from callgate.runner.sandbox.contract import Packages
from callgate.text import quote

_DEVICES = ("/dev/random", "/dev/urandom")


def outside(python: Interpreter, path: str) -> str:
    """The path on this machine of a path that the interpreter has in a full sandbox."""
    return python.prefix + path[len(INSIDE) :] if path.startswith(INSIDE + "/") else path


def readable(python: Interpreter, guest: str, packages: Sequence[Packages]) -> tuple[str, ...]:
    """Everything that Landlock has to leave readable: the interpreter, its libraries, the guest, the packages.

    A rule holds for all that is below, so a folder with something hidden in it is named by what else is in it; its
    own list of names is not among those then, see `listable`.
    """
    devices = [device for device in _DEVICES if os.path.exists(device)]
    hidden = {here for here, _ in python.hidden}
    above = listable(python)
    parts: list[str] = []
    for here, _ in python.binds:
        if here in above:
            # A link is no rule of its own: what it leads to is in here too, or is none of the script's business.
            parts += [
                each.path for each in os.scandir(here) if each.path not in hidden and not each.is_symlink()
            ]
        else:
            parts.append(here)
    return (*parts, *(each.path for each in packages), os.path.join(guest, "callgate_guest"), *devices)


def listable(python: Interpreter) -> tuple[str, ...]:
    """The folders whose names, and those below, must be listed for imports to find anything, but are not all readable.

    Only those right above what is hidden: a folder of the whole system's libraries has too many parts to name.
    """
    hidden = {os.path.dirname(here) for here, _ in python.hidden}
    return tuple(here for here, _ in python.binds if here in hidden)


def needed(python: Interpreter, guest: str, packages: Sequence[Packages]) -> tuple[str, ...]:
    """The places that a script's user has to get to; fewer than what is `readable`, and all of those below them."""
    return (
        *(here for here, _ in python.binds),
        *(each.path for each in packages),
        os.path.join(guest, "callgate_guest"),
    )


def check_reachable(paths: Sequence[str]) -> None:
    """That every user can get to each of the paths. Raises SandboxError (SBX042)."""
    for path in paths:
        hidden = _hidden_by(os.path.realpath(path))
        if hidden is not None:
            raise SandboxError(
                "SBX042",
                f"scripts run as another user, who cannot reach {quote(path)}: {quote(hidden)} is closed to others",
                "name an interpreter that all may run as `runner.python` (`/usr/bin/python3`), and a folder that all "
                "may enter as `runner.packages.cache` and TMPDIR; or run the runner as a plain user",
            )


def _hidden_by(path: str) -> str | None:
    folder = "/"
    for part in path.strip("/").split("/")[:-1]:
        folder = os.path.join(folder, part)
        if not os.stat(folder).st_mode & 0o001:
            return folder
    return None if os.stat(path).st_mode & 0o004 else path
