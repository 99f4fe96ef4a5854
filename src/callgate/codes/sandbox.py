"""Codes of the sandboxes that bubblewrap makes."""

from callgate.codes.page import CodePage

CODES: dict[str, CodePage] = {
    "SBX001": CodePage(
        "sandboxes need Linux",
        "The walls around scripts are the Linux kernel's: namespaces, seccomp, Landlock. This system has none of them, "
        "and a script never runs behind fewer walls than the operator was told.",
        "Run the runner on Linux (a virtual machine will do), or choose the other backend: `runner.backend: monty` "
        "with `accept_tier: interpreter`, which runs a subset of Python.",
    ),
    "SBX002": CodePage(
        "machine not supported",
        "The filter of system calls is a list by number, and there are lists for x86_64 and aarch64 only.",
        "Use such a machine, or `runner.backend: monty` with `accept_tier: interpreter`.",
    ),
    "SBX003": CodePage(
        "bubblewrap not installed",
        "There is no program `bwrap` on the PATH. It makes the namespaces and mounts of every sandbox.",
        "Install the package `bubblewrap`, which Debian, Ubuntu, Fedora, Alpine and Arch all have: "
        "`apt install bubblewrap`, `dnf install bubblewrap`, `apk add bubblewrap`, `pacman -S bubblewrap`. It needs "
        "no setuid bit.",
    ),
    "SBX005": CodePage(
        "interpreter for scripts not usable",
        "The Python that scripts are to run in (`runner.python`, or the runner's own) cannot be started, is no "
        "CPython, is older than 3.11, or cannot compile the guest.",
        "Name the executable of a CPython 3.11 or newer as `runner.python`; one of a virtual environment will do. "
        "The runner's user must be able to read all of its installation.",
    ),
    "SBX006": CodePage(
        "sandbox's own files cannot be written",
        "The part of callgate that runs inside is compiled once, at the start, into a folder for temporary files. "
        "That folder cannot be made or written.",
        "Point TMPDIR to a folder that the runner's user may write and that has a few megabytes of room. The folder "
        "is removed when the runner ends.",
    ),
    "SBX010": CodePage(
        "sandbox could not be started",
        "bubblewrap, or the guest inside, ended before the sandbox was ready. The message holds its own words. Most "
        "often user namespaces are switched off, or the runner is in a container that forbids `unshare` and `mount`.",
        "As a plain user: `sysctl user.max_user_namespaces` must not be 0; on older Debian set "
        "`kernel.unprivileged_userns_clone=1`; on Ubuntu give `/usr/bin/bwrap` an AppArmor profile with `userns`, or "
        "set `kernel.apparmor_restrict_unprivileged_userns=0`. In Docker, the default seccomp profile forbids it: "
        "give the container `--cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt "
        "apparmor=unconfined` (`--security-opt systempaths=unconfined` as well for a plain user), or run the runner "
        "outside. Try by hand: `bwrap --unshare-all --ro-bind / / true`.",
    ),
    "SBX011": CodePage(
        "sandbox not ready in time",
        "A sandbox was started and did not say within half a minute that its walls stand. It was killed.",
        "Look at the machine's load and memory. With an interpreter of your own, start it by hand: a `site` hook or "
        "a network file system can make it hang.",
    ),
    "SBX012": CodePage(
        "guest cannot put up its walls",
        "The process inside the sandbox sets its own limits, Landlock rules and filter of system calls, and tries them "
        "before it takes a script. At least one is missing or does not hold; the message names it.",
        "Landlock needs Linux 5.13, and `landlock` in `/sys/kernel/security/lsm`; where it is missing, add it to "
        "`lsm=` on the kernel's command line. Seccomp needs a kernel with CONFIG_SECCOMP_FILTER. In a container "
        "under gVisor or an older kernel neither exists.",
    ),
    "SBX013": CodePage(
        "sandboxes closed",
        "A script was to be run before the backend was opened, or while it was being closed.",
        "The execution is taken up again by the next worker. If this happens outside of a shutdown, it is a bug.",
    ),
    "SBX014": CodePage(
        "too many sandboxes at a time",
        "As root, every sandbox runs as a user of its own, and all of those are in use; or the runner cannot reserve "
        "users for itself, because it may write neither to `/run` nor to its folder for temporary files.",
        "Lower `runner.concurrency` and `runner.pool`; more than a thousand scripts at a time are for more machines. "
        "If the message tells of reserving, give the runner a folder to write to, or remove `callgate-users` there if "
        "it belongs to another user.",
    ),
    "SBX015": CodePage(
        "sandbox has no way to the proxy",
        "A script may reach the network only through a proxy on the runner's side, which takes over a socket that the "
        "sandbox hands it. That socket did not come.",
        "Run the execution again. If it stays, start the runner with `-v` and look for what the guest said.",
    ),
    "SBX020": CodePage(
        "wall does not hold",
        "Before it serves, the runner tries every wall in a real sandbox: reading a file of the host, writing outside, "
        "sockets, processes, tracing, mounts, memory and more. One of these attempts went through, and the message "
        "says which. Nothing is run.",
        "Look at what is special here: an old or patched kernel, a container, another program in the place of "
        "`bwrap`. The documentation's security page says which part of the kernel each wall stands on.",
    ),
    "SBX021": CodePage(
        "self-test did not come to its end",
        "The script that tries the walls failed, was killed or ran out of time, so it is not known whether they hold.",
        "Very small limits (`runner.limits`: memory below 64 MiB, few threads) can be the reason; raise them. "
        "Otherwise look at the message, and at the machine's load.",
    ),
}
