"""The argument list for bubblewrap: everything that is in a sandbox, and nothing else. Pure but for `os.path.exists`.

Inside there are `/work` and `/tmp` (one file system in memory, bounded in bytes and, by `entry`, in inodes), the
interpreter, its shared libraries, `/packages/KEY`, `/dev` with five devices, and a `/proc` that, by `entry`, shows
nothing but the process itself. All but the first is read-only, and `/` too.
"""

import os

from msgspec import Struct

from callgate.runner.sandbox import guest_files
from callgate.runner.sandbox.bwrap.system import Interpreter
from callgate.runner.sandbox.contract import Limits, Packages

SCRATCH = "/scratch"
"""Where the file system lies that `/work` and `/tmp` share, so that one bound holds for both."""

EMPTY = "empty"
"""The folder with nothing in it, in the folder with the compiled guest; it covers what must not be seen."""

_DEVICES = ("null", "zero", "full", "random", "urandom")

_CERTIFICATES = (
    "/etc/ssl/certs",
    "/usr/share/ca-certificates",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
)

NOBODY = 65534


class Environment(Struct, frozen=True):
    """What tells one kind of sandbox from another before it is given a job: the key of the pool."""

    packages: tuple[Packages, ...] = ()
    network: bool = False
    memory: int = 1 << 30
    threads: int = 64
    disk: int = 64 << 20
    inodes: int = 10_000


def arguments(
    bwrap: str, python: Interpreter, guest: str, environment: Environment, *, uid: int | None, info: int
) -> list[str]:
    """The whole argument list.

    `guest` is the folder with the compiled guest and EMPTY. `uid` is who the guest becomes, or None where it gets a
    user namespace instead. `info` is the descriptor on which bubblewrap says the id of the first process inside.
    """
    made: list[str] = [bwrap, "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    made += ["--unshare-cgroup-try", "--die-with-parent", "--new-session", "--clearenv"]
    made += [
        "--hostname",
        "sandbox",
        "--info-fd",
        str(info),
        "--cap-drop",
        "ALL",
        "--cap-add",
        "CAP_SYS_ADMIN",
    ]
    if uid is None:
        made += ["--as-pid-1", "--unshare-user", "--uid", str(NOBODY), "--gid", str(NOBODY)]
    else:
        made += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    made += _variables(python)
    made += _system(python, environment, guest)
    made += ["--ro-bind", guest, guest_files.FOLDER]
    for packages in environment.packages:
        made += ["--ro-bind", packages.path, package_folder(packages)]
    made += _devices()
    made += ["--perms", "0711", "--size", str(environment.disk), "--tmpfs", SCRATCH]
    for name in ("work", "tmp"):
        # Whoever is in there is alone in there.
        made += ["--perms", "0777", "--dir", f"{SCRATCH}/{name}", "--symlink", f"scratch/{name}", f"/{name}"]
    made += ["--remount-ro", "/", "--chdir", SCRATCH, "--", python.executable]
    return made + _program(environment, uid)


def package_folder(packages: Packages) -> str:
    """Where a set of packages lies inside."""
    return f"/packages/{packages.key}"


def _program(environment: Environment, uid: int | None) -> list[str]:
    """What follows the interpreter: the guest's own arguments, with `entry` before what they run."""
    limits = Limits(memory=environment.memory, threads=environment.threads, disk=environment.disk)
    profile: guest_files.Profile = "network" if environment.network else "plain"
    # `entry` has become another user by then, so the guest is told of none.
    arguments = guest_files.arguments(limits, profile=profile)
    before = (
        f"import sys;sys.path.insert(0,{guest_files.FOLDER!r});from callgate_entry import settle;del sys.path[0];"
        f"settle({SCRATCH!r},{environment.inodes},{uid});"
    )
    code = arguments.index("-c") + 1
    return [*arguments[:code], before + arguments[code], *arguments[code + 1 :]]


def _variables(python: Interpreter) -> list[str]:
    variables = guest_files.environment()
    if python.library_path:
        variables["LD_LIBRARY_PATH"] = python.library_path
    return [part for name, value in variables.items() for part in ("--setenv", name, value)]


def _system(python: Interpreter, environment: Environment, guest: str) -> list[str]:
    binds = list(python.binds)
    if environment.network:
        binds += [(path, path) for path in _CERTIFICATES if os.path.isdir(path)]
    made: list[str] = []
    # bubblewrap makes missing folders with mode 0700, which a guest that is no longer root could not enter.
    folders = {"/packages"} if environment.packages else set()
    for _, inside in binds:
        parts = inside.strip("/").split("/")[:-1]
        folders |= {"/" + "/".join(parts[: count + 1]) for count in range(len(parts))}
    for folder in sorted(folders | {"/opt"}):
        if not any(folder == inside for _, inside in binds):
            made += ["--perms", "0755", "--dir", folder]
    for here, inside in sorted(binds, key=lambda bind: bind[1]):
        made += ["--ro-bind", here, inside]
    for _, inside in python.hidden:
        made += ["--ro-bind", os.path.join(guest, EMPTY), inside]
    for to, where in python.links:
        made += ["--symlink", to, where]
    made += ["--proc", "/proc"]
    return made


def _devices() -> list[str]:
    made = ["--perms", "0755", "--dir", "/dev"]
    for name in _DEVICES:
        made += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    for name, to in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        made += ["--symlink", f"/proc/self/fd{to}", f"/dev/{name}"]
    return [*made, "--symlink", "/tmp", "/dev/shm"]  # noqa: S108
