"""What a script tries against its walls, as root's guest and as a plain user's: each attempt is refused by the kernel.

Beside them, in `test_safe_things`, what must go on working.
"""

import pytest
from inside import UID, USERS, Inside, User, command, job, run_inside, talk

from callgate.runner.sandbox import guest_files
from callgate.runner.sandbox.contract import Limits

PRELUDE = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    answer = libc.syscall(ctypes.c_long(number), *wide)
    return errno.errorcode[ctypes.get_errno()] if answer == -1 else f"allowed: {answer}"
def attempt(what, *arguments, **named):
    try:
        return f"allowed: {what(*arguments, **named)}"
    except OSError as error:
        return errno.errorcode[error.errno]
"""

BY_PYTHON = {
    "fork": "attempt(os.fork)",
    "fork through the C library": "'EPERM' if libc.fork() == -1 else 'allowed'",
    "vfork": "'EPERM' if libc.vfork() == -1 else 'allowed'",
    "exec": "attempt(os.execv, '/usr/bin/true', ['true'])",
    "posix_spawn": "attempt(os.posix_spawn, '/usr/bin/true', ['true'], {})",
    "a program": "attempt(__import__('subprocess').run, ['/usr/bin/true'])",
    "memfd": "attempt(os.memfd_create, 'x')",
    "affinity": "attempt(os.sched_setaffinity, 0, {0})",
    "kill everybody": "attempt(os.kill, -1, 9)",
    "kill the group": "attempt(os.kill, 0, 9)",
    "kill a sibling": "attempt(os.kill, 2, 9)",
    "kill by pidfd": "attempt(os.pidfd_open, 1)",
    "become root": "attempt(os.setuid, 0)",
    "chroot": "attempt(os.chroot, '/work')",
    "a device": "attempt(os.mknod, '/work/d', 0o060666, os.makedev(8, 0))",
    "a pipe in a folder": "attempt(os.mkfifo, '/work/p')",
    "nice": "attempt(os.setpriority, 0, 0, -5)",
    "a session of its own": "attempt(os.setsid)",
    "type into the terminal": "attempt(__import__('fcntl').ioctl, 0, 0x5412, b'x')",
    "signals by descriptor": "attempt(__import__('fcntl').fcntl, 0, 8, 1)",
    "unix socket": "attempt(__import__('socket').socket, 1, 1)",
    "unix socket pair": "attempt(__import__('socket').socketpair)",
    "tcp": "attempt(__import__('socket').create_connection, ('127.0.0.1', 80))",
    "tcp over ipv6": "attempt(__import__('socket').socket, 10, 1)",
    "udp": "attempt(__import__('socket').socket, 2, 2)",
    "raw": "attempt(__import__('socket').socket, 2, 3)",
    "packets": "attempt(__import__('socket').socket, 17, 3)",
    "netlink": "attempt(__import__('socket').socket, 16, 3)",
    "vsock": "attempt(__import__('socket').socket, 40, 1)",
    "bluetooth": "attempt(__import__('socket').socket, 31, 3)",
    "the kernel's ciphers": "attempt(__import__('socket').socket, 38, 5)",
    "limits of another": "attempt(__import__('resource').prlimit, 99, 7, (1, 1))",
}

# Linux on x86_64; the same names on aarch64 are held by the filter's own tests
BY_NUMBER = {
    "clone a process": "call(56, 17, 0, 0, 0, 0)",
    "clone a user namespace": "call(56, 0x10000011, 0, 0, 0, 0)",
    "memfd_secret": "call(447, 0)",
    "ptrace": "call(101, 0, 0, 0, 0)",
    "read another's memory": "call(310, 1, 0, 0, 0, 0, 0)",
    "mount": "call(165, b'none', b'/work', b'tmpfs', 0, 0)",
    "new mount": "call(430, b'tmpfs', 0)",
    "open tree": "call(428, -100, b'/', 1)",
    "unmount": "call(166, b'/work', 0)",
    "pivot_root": "call(155, b'/work', b'/work')",
    "unshare": "call(272, 0x10000000)",
    "setns": "call(308, 0, 0)",
    "keyctl": "call(250, 0, -3, 1)",
    "add_key": "call(248, b'user', b'x', b'y', 1, -3)",
    "request_key": "call(249, b'user', b'x', 0, -3)",
    "bpf": "call(321, 0, 0, 0)",
    "io_uring": "call(425, 1, ctypes.create_string_buffer(200))",
    "perf": "call(298, ctypes.create_string_buffer(200), 0, -1, -1, 0)",
    "userfaultfd": "call(323, 0)",
    "personality": "call(135, 0xffffffff)",
    "handles": "call(304, -100, 0, 0)",
    "shared memory": "call(29, 0, 4096, 0o1600)",
    "message queue": "call(68, 0, 0o1600)",
    "lock memory": "call(149, 0, 4096)",
    "another filter": "call(317, 1, 0, 0)",
    "quota": "call(179, 0, 0, 0, 0)",
    "kernel log": "call(103, 3, 0, 0)",
    "inotify": "call(294, 0)",
    "dumpable again": "'EPERM' if libc.prctl(4, 1, 0, 0, 0) == -1 else 'allowed'",
}


def told(attempts: dict[str, str], user: User) -> dict[str, str]:
    script = (
        PRELUDE + "said = {}\n" + "".join(f"said[{name!r}] = {code}\n" for name, code in attempts.items())
    )
    found: dict[str, str] = run_inside(script, user=user, outputs={"said": "dict"}).results["said"]
    return found


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("attempts", [BY_PYTHON, BY_NUMBER], ids=["by Python", "by number"])
def test_forbidden_calls_are_answered_with_eperm(attempts: dict[str, str], user: User) -> None:
    found = told(attempts, user)
    assert found == dict.fromkeys(attempts, "EPERM")


@pytest.mark.parametrize("user", USERS)
def test_clone3_is_absent_so_that_threads_fall_back_to_clone(user: User) -> None:
    assert told({"clone3": "call(435, 0, 0)"}, user) == {"clone3": "ENOSYS"}


FILES = {
    "shadow": "attempt(open, '/etc/shadow')",
    "passwd": "attempt(open, '/etc/passwd')",
    "root's home": "attempt(os.listdir, '/root')",
    "write to the system": "attempt(open, '/usr/lib/x', 'w')",
    "write to the root": "attempt(open, '/x', 'w')",
    "write to the guest": "attempt(open, '/callgate_guest/callgate_guest/start.pyc', 'r+')",
    "write to the packages": "attempt(open, '/packages/data/x', 'w')",
    "remove the guest": "attempt(os.unlink, '/callgate_guest/callgate_guest/start.pyc')",
    "write to proc": "attempt(open, '/proc/self/oom_score_adj', 'w')",
    "environment of the guest by proc": "attempt(open, '/proc/1/environ')",
    "memory by proc": "attempt(open, '/proc/self/mem', 'r+b')",
    "a file system's control": "attempt(open, '/proc/sys/kernel/core_pattern', 'w')",
}


@pytest.mark.parametrize("user", USERS)
def test_files_outside_of_the_work_folder_cannot_be_read_or_written(user: User) -> None:
    found = told(FILES, user)
    assert all(answer in {"ENOENT", "EACCES", "EROFS", "EPERM"} for answer in found.values()), found


@pytest.mark.parametrize("user", USERS)
def test_a_program_that_is_written_cannot_be_run(user: User) -> None:
    script = PRELUDE + (
        "import shutil\nshutil.copy('/usr/bin/true', '/work/true')\nos.chmod('/work/true', 0o755)\n"
        "said = attempt(os.execv, '/work/true', ['true'])\n"
    )
    assert run_inside(script, user=user, outputs={"said": "str"}).results == {"said": "EPERM"}


MACHINE_CODE = """
import ctypes, mmap
def run(code):
    memory = mmap.mmap(-1, 4096, prot=7)
    memory.write(code)
    print("jumping", flush=True)
    ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))()
    print("came back", flush=True)
"""


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("int 0x80", "b'\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3'"),  # mov eax, 20 (getpid); int 0x80; ret
        ("x32", "b'\\xb8\\x27\\x00\\x00\\x40\\x0f\\x05\\xc3'"),  # mov eax, 0x40000027 (getpid); syscall; ret
    ],
)
def test_calls_by_a_foreign_table_end_the_process(name: str, code: str, user: User) -> None:
    outcome = run_inside(MACHINE_CODE + f"run({code})\n", user=user)
    assert (outcome.frame, outcome.stdout, outcome.status) == (None, "jumping\n", 128 + 31)


@pytest.mark.parametrize("user", USERS)
def test_machine_code_as_such_runs(user: User) -> None:
    outcome = run_inside(MACHINE_CODE + "run(b'\\xb8\\x14\\x00\\x00\\x00\\xc3')\n", user=user)
    assert outcome.stdout == "jumping\ncame back\n"


@pytest.mark.parametrize("user", USERS)
def test_limits_can_be_lowered_and_never_raised(user: User) -> None:
    script = """
import resource
said = {}
for name in ("AS", "CORE", "NPROC", "NOFILE", "FSIZE", "MEMLOCK"):
    which = getattr(resource, f"RLIMIT_{name}")
    soft, hard = resource.getrlimit(which)
    try:
        resource.setrlimit(which, (hard + 4096, hard + 4096))
        said[name] = "raised"
    except (ValueError, OSError):
        said[name] = "refused"
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
"""
    said = run_inside(script, user=user, outputs={"said": "dict"}).results["said"]
    assert set(said.values()) == {"refused"}


@pytest.mark.parametrize("user", USERS)
def test_a_script_that_stops_itself_goes_on(user: User) -> None:
    # the first process of its namespace hears no SIGSTOP of its own
    outcome = run_inside(
        "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\nx = 1", user=user, outputs={"x": "int"}
    )
    assert outcome.results == {"x": 1}


@pytest.mark.parametrize("user", USERS)
def test_a_crash_in_machine_code_is_a_crash_and_no_frame(user: User) -> None:
    outcome = run_inside("import ctypes\nctypes.string_at(0)", user=user)
    assert (outcome.frame, outcome.status) == (None, 128 + 11)


@pytest.mark.parametrize("user", USERS)
def test_processor_time_is_bounded_over_all_threads(user: User) -> None:
    script = """
import threading
for _ in range(4):
    threading.Thread(target=lambda: [0 for _ in iter(int, 1)]).start()
9**9**9
"""
    outcome = run_inside(script, user=user, limits=Limits(cpu_seconds=1))
    assert (outcome.frame, outcome.status) == (None, 128 + 9)


@pytest.mark.parametrize("user", USERS)
def test_the_guest_tells_of_every_wall_that_it_holds(user: User) -> None:
    walls = run_inside("", user=user).ready["walls"]
    assert all(wall["held"] for wall in walls.values())
    assert {
        "user",
        "seccomp",
        "landlock",
        "limits",
        "processes",
        "memfd",
        "namespaces",
        "system_files",
    } <= set(walls)


@pytest.mark.parametrize("user", USERS)
def test_landlock_alone_keeps_a_folder_read_only_that_the_mounts_leave_writable(user: User) -> None:
    made = command(user, guest_files.arguments(Limits(), uid=UID if user == "dropped" else None))
    opened = ["--perms", "0755", "--dir", "/left", "--perms", "1777", "--tmpfs", "/left/open"]
    # for a plain user the whole command is a line of a shell
    made = [part.replace("--remount-ro / ", f"{' '.join(opened)} --remount-ro / ") for part in made]
    if "--remount-ro" in made:
        made[made.index("--remount-ro") : made.index("--remount-ro")] = opened
    script = (
        PRELUDE
        + """
said = {
    "exists": os.path.isdir("/left/open"),
    "create": attempt(open, "/left/open/x", "w"),
    "folder": attempt(os.mkdir, "/left/open/x"),
    "link": attempt(os.symlink, "x", "/left/open/x"),
    "move": attempt(os.rename, open("/work/a", "w").name, "/left/open/a"),
}
"""
    )
    with Inside(made) as inside:
        said = talk(inside, job(script, outputs={"said": "dict"})).results["said"]
    assert said.pop("exists") is True
    assert set(said.values()) <= {"EACCES", "EXDEV"}, said
