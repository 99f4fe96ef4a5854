"""The script of the weaker tier's self-test: what this tier claims, and no more. An empty text means refused.

Attempts that would do harm are made so that they do none when they succeed.
"""

from callgate.runner.sandbox.bwrap import attempts as full

NAMES = {
    "host_file": "reading a file of the runner's user",
    "system_file": "reading /etc/passwd",
    "system_write": "writing outside of the work folder",
    "beside_write": "writing beside the work folder",
    "work_write": "writing inside of the work folder, which must work",
    "modes": "changing the mode or the times of a file",
    "listing": "listing a folder of the machine",
    "other_processes": "reading anything of any process in /proc",
    "unnamed_file": "making a file without a name",
    "environment": "seeing the runner's environment",
    **{
        name: full.NAMES[name]
        for name in (
            "socket", "unix_socket", "vsock", "netlink", "fork", "exec", "kill", "ptrace", "mount", "unshare",
            "io_uring", "keyctl", "memfd",
        )
    },
    "user": "being root",
}  # fmt: skip

_HEAD, _, _REST = full.SCRIPT.partition('refused("host_file"')
_SHARED = _REST[_REST.index('holds("environment"') : _REST.index("status = {}")]

SCRIPT = (
    _HEAD
    + r"""
refused("host_file", lambda: open(host_file).read())
refused("system_file", lambda: open("/etc/passwd").read())
refused("system_write", lambda: open("/callgate_probe", "w"))
refused("beside_write", lambda: open("../callgate_probe", "w"))
try:
    with open("probe", "w") as file:
        file.write("x")
    before = os.stat("probe")
    os.chmod("probe", 0o777)
    os.utime("probe", (1, 1))
    os.chmod(os.__file__, os.stat(os.__file__).st_mode)
    after = os.stat("probe")
    holds("modes", (before.st_mode, before.st_mtime) == (after.st_mode, after.st_mtime), "they changed")
    os.unlink("probe")
    found["work_write"] = ""
except OSError as error:
    found["work_write"] = f"answered with {error.strerror}"
refused("listing", lambda: os.listdir("/"))
refused("other_processes", lambda: os.listdir(f"/proc/{host_pid}"))
if not found["other_processes"]:
    refused("other_processes", lambda: open(f"/proc/{host_pid}/cmdline").read())
if not found["other_processes"]:
    refused("other_processes", lambda: open("/proc/self/net/unix").read())
refused("unnamed_file", lambda: os.open(".", os.O_TMPFILE | os.O_RDWR))
"""
    + _SHARED
    + """
holds("user", 0 not in (*os.getresuid(), *os.getresgid(), *os.getgroups()), str(os.getresuid()))
"""
)
"""The attempts that are the same in the full sandbox are the very same."""
