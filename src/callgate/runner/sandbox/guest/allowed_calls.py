"""Which system calls a script may make. Data only; whatever is not here is refused.

A rule on arguments looks at their low 32 bits, which is all that the kernel looks at in those calls (each of these
parameters is an `int` or an `unsigned int`; clone takes the low half of its flags).
"""

OWN_PID = "own pid"
"""Stands for the process's own number in a rule, known only inside the sandbox."""

Check = tuple[int, int, tuple[int | str, ...]]
"""Argument's index, mask, values one of which it must have."""

Rule = tuple[tuple[Check, ...], ...]
"""Alternatives; in one of them every check must hold."""

WHOLE = 0xFFFFFFFF


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


PLAIN = _names(
    # files: the mounts and Landlock say which
    "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 open openat close close_range stat "
    "fstat lstat newfstatat statx lseek access faccessat faccessat2 dup dup2 dup3 truncate ftruncate fallocate "
    "fsync fdatasync sync_file_range getdents64 getdents getcwd chdir fchdir rename renameat renameat2 mkdir "
    "mkdirat rmdir link linkat unlink unlinkat symlink symlinkat readlink readlinkat chmod fchmod fchmodat umask "
    "utimensat utime utimes futimesat flock fadvise64 readahead sendfile copy_file_range statfs fstatfs "
    "poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd2 "
    "pipe pipe2 "
    # memory of this process, which RLIMIT_AS counts
    "brk mmap munmap mremap mprotect madvise msync mincore membarrier "
    # what the process may know and set of itself
    "getpid gettid getppid getuid geteuid getgid getegid getresuid getresgid getgroups getpgrp getpgid getsid uname "
    "sysinfo getrlimit setrlimit getrusage times getpriority sched_yield sched_getaffinity sched_getparam "
    "sched_getscheduler sched_get_priority_max sched_get_priority_min capget getcpu getrandom "
    # threads, signals, time
    "set_tid_address set_robust_list rseq futex futex_waitv rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending "
    "rt_sigsuspend rt_sigtimedwait sigaltstack pause alarm setitimer getitimer wait4 waitid restart_syscall "
    "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time exit exit_group"
)

# CLONE_VM|FS|FILES|SIGHAND|THREAD|SYSVSEM|SETTLS|PARENT_SETTID|CHILD_CLEARTID, exactly as glibc and (with
# CLONE_DETACHED) musl make a thread: no fork, no vfork, no namespace.
_THREAD = (0x003D0F00, 0x007D0F00)

PLAIN_RULES: dict[str, Rule] = {
    "clone": (((0, WHOLE, _THREAD),),),
    # F_DUPFD to F_SETFL, F_GETLK to F_SETLKW, F_OFD_GETLK to F_OFD_SETLKW, F_DUPFD_CLOEXEC, F_GETPIPE_SZ: nothing
    # that sends signals (F_SETOWN), grows pipes, seals or leases
    "fcntl": (((1, WHOLE, (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)),),),
    # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX
    "ioctl": (((1, WHOLE, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)),),),
    # abort() and signal.raise_signal()
    "kill": (((0, WHOLE, (OWN_PID,)),),),
    "tgkill": (((0, WHOLE, (OWN_PID,)),),),
    # PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_CAPBSET_READ, PR_GET_NO_NEW_PRIVS, PR_SET_VMA
    "prctl": (((0, WHOLE, (3, 15, 16, 21, 23, 39, 0x53564D41)),),),
    # of itself; without CAP_SYS_RESOURCE the kernel lets nobody raise a hard limit
    "prlimit64": (((0, WHOLE, (0, OWN_PID)),),),
}

NETWORK = PLAIN | _names(
    # a connection to the proxy; no bind, no listen, no accept
    "connect getsockname getpeername sendto recvfrom sendmsg recvmsg shutdown"
)

_SOL_SOCKET, _IP, _TCP, _IPV6 = 1, 0, 6, 41
# SO_REUSEADDR TYPE ERROR SNDBUF RCVBUF KEEPALIVE LINGER RCVTIMEO SNDTIMEO PROTOCOL DOMAIN;
# TCP_NODELAY KEEPIDLE KEEPINTVL KEEPCNT USER_TIMEOUT; IP_TOS; IPV6_V6ONLY
_OPTIONS: Rule = (
    ((1, WHOLE, (_SOL_SOCKET,)), (2, WHOLE, (2, 3, 4, 7, 8, 9, 13, 20, 21, 38, 39))),
    ((1, WHOLE, (_TCP,)), (2, WHOLE, (1, 4, 5, 6, 18))),
    ((1, WHOLE, (_IP,)), (2, WHOLE, (1,))),
    ((1, WHOLE, (_IPV6,)), (2, WHOLE, (26,))),
)

NETWORK_RULES: dict[str, Rule] = {
    **PLAIN_RULES,
    # AF_INET or AF_INET6, SOCK_STREAM (with SOCK_NONBLOCK and SOCK_CLOEXEC or without), TCP: Landlock holds the port
    "socket": (((0, WHOLE, (2, 10)), (1, WHOLE ^ 0x80800, (1,)), (2, WHOLE, (0, 6))),),
    "getsockopt": _OPTIONS,
    "setsockopt": _OPTIONS,
}

IGNORED = _names(
    # without a file system of its own, a script must not change files of its user that it may only read; answered as
    # done, as file systems without modes and times do, since what copies files asks for it
    "chmod fchmod fchmodat utimensat utime utimes futimesat"
)

SHARED = PLAIN - IGNORED - _names("fallocate open openat")
"""Where the script shares the machine's file systems: no mount hides what Landlock does not know of."""

_NO_UNNAMED_FILE = 0x400000  # O_TMPFILE without O_DIRECTORY: a file that no measuring would find

SHARED_RULES: dict[str, Rule] = {
    **PLAIN_RULES,
    "open": (((1, _NO_UNNAMED_FILE, (0,)),),),
    "openat": (((2, _NO_UNNAMED_FILE, (0,)),),),
}

CALLS = {"plain": PLAIN, "network": NETWORK, "shared": SHARED}
RULES = {"plain": PLAIN_RULES, "network": NETWORK_RULES, "shared": SHARED_RULES}

ABSENT = _names(
    # "no such call", since the C library then takes the older one
    "clone3 openat2 pkey_alloc pkey_free pkey_mprotect"
)
UNSUPPORTED = _names(
    # "not supported": what copying a file's metadata meets on many file systems, and passes over
    "setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr "
    "lremovexattr fremovexattr "
    # where it is not allowed: it takes room without writing anything, and the C library writes instead
    "fallocate"
)
LAST_KNOWN = 450
"""The last call of the Linux that the tables were taken from (the same on both machines). Later ones are absent."""
