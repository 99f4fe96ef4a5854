"""Processes and calls of the kernel that a script has no use for."""

from attack import Attack, InMonty

_NO_NATIVE = InMonty(
    script="import ctypes\nx = ctypes.CDLL(None)",
    ends=("ModuleNotFoundError",),
    safe="import math\nassert math.sqrt(4) == 2",
)
_NO_PROCESS = InMonty(
    script="import subprocess\nx = subprocess.run(['id'])",
    ends=("ModuleNotFoundError",),
    safe="import json\nassert json.loads('[1]') == [1]",
)

PROCESSES = (
    Attack(
        name="fork",
        script="""
import subprocess, multiprocessing
refused("fork", os.fork)
refused("forkpty", os.forkpty)
refused("spawn", os.posix_spawn, "/usr/bin/env", ["env"], {})
refused("program", subprocess.run, ["/usr/bin/env"])
refused("shell", lambda: subprocess.check_output("id", shell=True))
refused("exec", os.execv, "/proc/self/exe", ["python", "-c", "1"])
refused("fexec", lambda: os.execve(os.open(os.path.realpath("/proc/self/exe"), os.O_RDONLY), ["x"], {}))
for call in ("fork", "vfork"):
    if call in world["calls"]: refused(f"{call} by number", kernel, call)
for flags in (17, 0x10000011, 0x4111, 0x3D0F00 | 0x20000000, 0x3D0F00 & ~0x10000):
    refused(f"clone {flags:#x}", kernel, "clone", flags, 0, 0, 0, 0)
refused("clone3", kernel, "clone3", 0, 0)
def process():
    one = multiprocessing.get_context("fork").Process(target=int)
    one.start()
refused("multiprocessing", process)
holds("alone", [n for n in os.listdir("/proc") if n.isdigit()] == [str(os.getpid())], os.listdir("/proc"))
""",
        safe="""
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool: assert list(pool.map(abs, range(-50, 0))) == list(range(50, 0, -1))
""",
        monty=_NO_PROCESS,
    ),
    Attack(
        name="ptrace",
        script="""
for pid in (0, 1, os.getppid(), world["host_pid"], world["victim_pid"]):
    for request in (0, 16, 0x4206):
        refused(f"request {request} to {pid}", kernel, "ptrace", request, pid, 0, 0)
pointer = (ctypes.c_uint64 * 2)(ctypes.addressof(ctypes.create_string_buffer(8)), 8)
for call in ("process_vm_readv", "process_vm_writev"):
    refused(call, kernel, call, world["victim_pid"], pointer, 1, pointer, 1, 0)
refused("kcmp", kernel, "kcmp", 1, world["victim_pid"], 0, 0, 0)
holds("not to be looked into", libc.prctl(3, 0, 0, 0, 0) == 0 and libc.prctl(4, 1, 0, 0, 0) == -1)
""",
        safe="""
import sys, inspect
seen = []
sys.settrace(lambda f, e, a: seen.append(e))
abs(1)
sorted([2, 1], key=lambda x: x)
sys.settrace(None)
assert seen and inspect.stack()
""",
        monty=_NO_NATIVE,
    ),
    Attack(
        name="kill of parent or sibling",
        script="""
import signal
for pid in {0, -1, 1, 2, 3, os.getppid(), world["host_pid"], world["victim_pid"], world["sibling_pid"],
            -world["host_pid"]} - {os.getpid()}:
    refused(f"kill {pid}", os.kill, pid, 9)
    refused(f"stop {pid}", os.kill, pid, signal.SIGSTOP)
    if pid > 0:
        refused(f"pidfd {pid}", os.pidfd_open, pid)
        refused(f"tgkill {pid}", kernel, "tgkill", pid, pid, 9)
        refused(f"tkill {pid}", kernel, "tkill", pid, 9)
        refused(f"queue {pid}", kernel, "rt_sigqueueinfo", pid, 9, ctypes.create_string_buffer(128))
refused("group", os.killpg, 0, 9)
refused("owner of a pipe", lambda: __import__("fcntl").fcntl(1, 8, 1))
""",
        safe="""
import signal
seen = []
signal.signal(signal.SIGUSR1, lambda *a: seen.append(a[0]))
signal.raise_signal(signal.SIGUSR1)
assert seen == [signal.SIGUSR1]
""",
    ),
    Attack(
        name="daemon children",
        script="""
refused("child", os.fork)
refused("session", os.setsid)
refused("group", os.setpgid, 0, 0)
holds("no orphans", libc.prctl(36, 1, 0, 0, 0) == -1)
import threading
def for_ever():
    while True: open("/work/alive", "w").close()
threading.Thread(target=for_ever, daemon=True).start()
threading.Thread(target=for_ever).start()
""",
        safe="""
import threading
done = threading.Event()
threading.Thread(target=done.set, daemon=True).start()
assert done.wait(5)
""",
        monty=_NO_PROCESS,
    ),
    Attack(
        name="more rights than it has",
        script="""
import resource
for name in ("AS", "CPU", "NPROC", "NOFILE", "FSIZE", "CORE", "MEMLOCK", "MSGQUEUE", "STACK", "DATA"):
    which = getattr(resource, f"RLIMIT_{name}", None)
    if which is None: continue
    hard = resource.getrlimit(which)[1]
    if hard == resource.RLIM_INFINITY: continue
    def raised():
        try: resource.setrlimit(which, (hard + 4096, hard + 4096))
        except ValueError: raise PermissionError(1, "not allowed")
    refused(name, raised)
refused("another's limits", lambda: resource.prlimit(world["victim_pid"], resource.RLIMIT_AS, (1, 1)))
refused("root", os.setuid, 0); refused("user", os.setresuid, 0, 0, 0); refused("groups", os.setgroups, [0])
refused("priority", os.setpriority, 0, 0, -20)
refused("real time", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
refused("other processors", os.sched_setaffinity, 0, {0})
rights = (ctypes.c_uint32 * 6)(1 << 21, 1 << 21, 0, 0, 0, 0)
refused("rights", kernel, "capset", (ctypes.c_uint32 * 2)(0x20080522, 0), rights)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
holds("none", all(int(status[n], 16) == 0 for n in ("CapPrm", "CapEff", "CapInh", "CapAmb")), status)
holds("not root", os.getuid() != 0 and os.getgid() != 0, os.getuid())
""",
        safe="""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
assert resource.getrusage(0).ru_maxrss
""",
    ),
)

_CALLS = """
for name in {names}:
    if name in world["calls"]:
        refused(name, kernel, name, 0, 0, 0, 0, 0, 0)
"""


def _calls(*names: str) -> str:
    return _CALLS.format(names=names)


KERNEL = (
    Attack(
        name="mount",
        script="refused('tmpfs', kernel, 'mount', b'none', b'/work', b'tmpfs', 0, 0)\n"
        "refused('bind', kernel, 'mount', b'/', b'/work', 0, 4096, 0)\n"
        "refused('writable again', kernel, 'mount', 0, b'/', 0, 32 | 4096, 0)\n"
        + _calls(
            "umount2",
            "pivot_root",
            "fsopen",
            "fsmount",
            "fsconfig",
            "open_tree",
            "move_mount",
            "mount_setattr",
        ),
        safe="import os\nassert os.statvfs('/work').f_bavail > 0\n",
        monty=_NO_NATIVE,
    ),
    Attack(
        name="unshare",
        script="""
for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x4000000, 0x2000000, 0x80, 0):
    refused(f'{flag:#x}', kernel, 'unshare', flag)
""",
        safe="import os\nassert os.uname().nodename == 'sandbox'\n",
        monty=_NO_NATIVE,
    ),
    Attack(
        name="setns",
        script="""
for kind in ('mnt', 'net', 'pid', 'user'):
    for pid in ('self', '1', str(world['host_pid'])):
        refused(f'{pid} {kind}', lambda: kernel('setns', os.open(f'/proc/{pid}/ns/{kind}', os.O_RDONLY), 0))
""",
        safe="import os\nassert os.getpid() > 0 and os.getuid() > 0\n",
        monty=_NO_NATIVE,
    ),
    Attack(
        name="keyctl",
        script=_calls("keyctl", "add_key", "request_key"),
        safe="import hmac\nassert hmac.new(b'k', b'm', 'sha256').digest()\n",
        monty=_NO_NATIVE,
    ),
    Attack(
        name="bpf",
        script=_calls("bpf", "seccomp", "perf_event_open", "landlock_create_ruleset", "fanotify_init"),
        safe="import array, struct\nassert array.array('Q', [1]).tobytes() == struct.pack('<Q', 1)\n",
        monty=_NO_NATIVE,
    ),
    Attack(
        name="io_uring",
        script="refused('setup', kernel, 'io_uring_setup', 8, ctypes.create_string_buffer(200))\n"
        + _calls("io_uring_enter", "io_uring_register", "io_setup", "io_submit"),
        safe="""
import select, os
a, b = os.pipe()
poll = select.epoll()
poll.register(b, select.EPOLLOUT)
assert poll.poll(1)
""",
        monty=_NO_NATIVE,
    ),
    Attack(
        name="typing into a terminal",
        script="""
import fcntl
letter = ctypes.create_string_buffer(b"x")
for name, request in (("TIOCSTI", 0x5412), ("TIOCLINUX", 0x541C), ("TIOCSCTTY", 0x540E), ("TIOCSETD", 0x5423)):
    for number in (0, 1, 2):
        refused(f"{name} {number}", fcntl.ioctl, number, request, b"x")
        # the kernel looks at the low half only: a filter that compares the whole number lets this through
        refused(f"{name} {number} with a high half", kernel, "ioctl", number, request | 1 << 32, letter)
""",
        safe="import sys, os\nassert not sys.stdout.isatty() and os.isatty(0) is False\n",
    ),
    Attack(
        name="calls that have no use in a script",
        script=_calls(
            *(
                "userfaultfd",
                "personality",
                "modify_ldt",
                "iopl",
                "ioperm",
                "kexec_load",
                "init_module",
                "finit_module",
            ),
            *(
                "delete_module",
                "reboot",
                "swapon",
                "swapoff",
                "acct",
                "quotactl",
                "syslog",
                "sethostname",
                "settimeofday",
            ),
            *(
                "clock_settime",
                "adjtimex",
                "clock_adjtime",
                "lookup_dcookie",
                "move_pages",
                "migrate_pages",
                "mbind",
            ),
            *(
                "set_mempolicy",
                "shmget",
                "semget",
                "msgget",
                "mq_open",
                "mlock",
                "mlockall",
                "mlock2",
                "vmsplice",
                "splice",
            ),
            *(
                "tee",
                "remap_file_pages",
                "inotify_init1",
                "timer_create",
                "timerfd_create",
                "signalfd4",
                "vhangup",
            ),
            *(
                "process_madvise",
                "pidfd_getfd",
                "pidfd_send_signal",
                "memfd_secret",
                "set_mempolicy_home_node",
                "uselib",
            ),
        ),
        safe="""
import time, datetime, mmap
time.monotonic()
with mmap.mmap(-1, 1 << 20) as m: m[0] = 1
""",
    ),
    Attack(
        name="calls by a foreign table",
        script="""
import mmap
memory = mmap.mmap(-1, 4096, prot=7)
memory.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3" if os.uname().machine == "x86_64" else b"\\0" * 8)
ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))()
""",
        ends=("failed: crashed",),
        safe="import ctypes\nassert ctypes.CDLL(None).abs(-3) == 3\n",
    ),
    Attack(
        name="loading other code by the environment",
        script="""
for name in ("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "PYTHONSTARTUP", "PYTHONPATH", "BASH_ENV", "GCONV_PATH"):
    os.environ[name] = "/work/evil.so"
libc.setenv(b"LD_PRELOAD", b"/work/evil.so", 1)
refused("a program with it", os.execv, "/proc/self/exe", ["python", "-c", "1"])
holds("no program at all", not any(os.path.exists(f"/usr/bin/{n}") for n in ("sh", "bash", "sudo", "su", "env")), "")
""",
        safe="import os\nos.environ['TZ'] = 'UTC'\nimport time\ntime.tzset()\n",
    ),
)

MACHINE = (*PROCESSES, *KERNEL)
