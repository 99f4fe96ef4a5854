"""The script of the self-test, which runs inside, and what each of its attempts is called.

An attempt that is refused leaves an empty text under its name; any other text says what went through. Attempts that
would do harm are made so that they do none when they succeed.
"""

NAMES = {
    "host_file": "reading a file of the host",
    "system_write": "writing outside of the work folder",
    "work_write": "writing inside of the work folder, which must work",
    "inodes": "having no more files than are allowed",
    "disk": "having no more bytes than are allowed",
    "other_processes": "seeing any other process",
    "machine": "seeing the machine in /proc",
    "environment": "seeing the runner's environment",
    "socket": "making a TCP or UDP socket",
    "unix_socket": "making a unix socket",
    "vsock": "making a socket to the hypervisor",
    "netlink": "making a netlink socket",
    "fork": "starting a process",
    "exec": "running a program",
    "kill": "signalling the runner",
    "ptrace": "tracing a process",
    "mount": "mounting a file system",
    "unshare": "making namespaces",
    "io_uring": "making an io_uring",
    "keyctl": "reaching the kernel's keys",
    "memfd": "making memory that no limit counts",
    "user": "being root",
    "capabilities": "having capabilities",
    "no_new_privs": "being able to gain privileges",
    "seccomp": "running without a filter of system calls",
    "landlock": "making a rule set of its own, which shows the filter, and writing where mounts would allow it",
}

MEMORY = "kept = [bytearray(64 << 20) for _ in range(1 << 20)]\n"

SCRIPT = r"""
import ctypes, errno, os, platform, socket
libc = ctypes.CDLL(None, use_errno=True)
arm = platform.machine() == "aarch64"
found = {}

def refused(name, attempt, *allowed):
    try:
        answer = attempt()
    except (OSError, PermissionError) as error:
        found[name] = "" if not allowed or error.errno in allowed else f"answered with {error.strerror}"
    else:
        found[name] = f"it worked ({answer!r})"[:100]

def call(x86, arm64, *arguments):
    def attempt():
        number = arm64 if arm else x86
        ctypes.set_errno(0)
        answer = libc.syscall(ctypes.c_long(number), *arguments)
        if answer == -1:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return answer
    return attempt

def holds(name, condition, said):
    found[name] = "" if condition else said

BLOCKED = (errno.EPERM, errno.EACCES, errno.ENOSYS)
refused("host_file", lambda: open(host_file).read())
refused("system_write", lambda: open("/callgate_probe", "w"))
try:
    with open("/work/probe", "w") as file:
        file.write("x")
    os.unlink("/work/probe")
    found["work_write"] = ""
except OSError as error:
    found["work_write"] = f"answered with {error.strerror}"
room = os.statvfs("/work")
holds("inodes", 0 < room.f_files <= MOST_INODES, f"{room.f_files} files")
holds("disk", 0 < room.f_blocks * room.f_frsize <= MOST_DISK + 65536, f"{room.f_blocks * room.f_frsize} bytes")
holds("other_processes", not os.path.exists(f"/proc/{host_pid}/stat") or host_pid == os.getpid(), "the runner's")
seen = [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
if seen:
    found["other_processes"] = f"processes {seen[:5]}"
beside = [name for name in os.listdir("/proc") if not name.isdigit() and name not in ("self", "thread-self")]
holds("machine", not beside and not os.path.exists("/proc/sys"), f"{beside[:5]}")
holds("environment", not set(os.environ) & set(host_environment), f"{set(os.environ) & set(host_environment)}")
refused("socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM), *BLOCKED)
refused("unix_socket", lambda: socket.socket(socket.AF_UNIX), *BLOCKED)
refused("vsock", lambda: socket.socket(40, socket.SOCK_STREAM), *BLOCKED)
refused("netlink", lambda: socket.socket(16, socket.SOCK_RAW), *BLOCKED)
def fork():
    child = os.fork()
    if child == 0:
        os._exit(0)
    return child
refused("fork", fork, *BLOCKED)
refused("exec", lambda: os.execv("/callgate_probe", ["x"]), *BLOCKED)
refused("kill", lambda: os.kill(host_pid, 0) if host_pid != os.getpid() else os.kill(-1, 0))
refused("ptrace", call(101, 117, 0x4207, 1, 0, 0), *BLOCKED)
refused("mount", call(165, 40, b"none", b"/work", b"tmpfs", 0, None), *BLOCKED)
refused("unshare", call(272, 97, 0x10000000), *BLOCKED)
refused("io_uring", call(425, 425, 1, None), *BLOCKED)
refused("keyctl", call(250, 219, 0, -3, 0), *BLOCKED)
refused("memfd", call(319, 279, b"x", 0), *BLOCKED)
status = {}
with open("/proc/thread-self/status") as lines:
    for line in lines:
        name, _, value = line.partition(":")
        status[name] = value.strip()
holds("user", "0" not in status["Uid"].split() + status["Gid"].split() + status["Groups"].split(), status["Uid"])
rights = [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")]
holds("capabilities", all(int(right, 16) == 0 for right in rights), " ".join(rights))
holds("no_new_privs", status["NoNewPrivs"] == "1", "they are allowed")
holds("seccomp", status["Seccomp"] == "2", f"mode {status['Seccomp']}")
def beside():
    os.mkdir("/scratch/probe")
    os.rmdir("/scratch/probe")
refused("landlock", beside, errno.EACCES)
"""
