"""The assembled filter answers every call as the profile says, on both machines."""

import errno

import pytest
from bpf_machine import answer
from hypothesis import given
from hypothesis import strategies as st

from callgate.runner.sandbox.guest import seccomp
from callgate.runner.sandbox.guest.allowed_calls import (
    ABSENT,
    CALLS,
    IGNORED,
    LAST_KNOWN,
    OWN_PID,
    RULES,
    UNSUPPORTED,
    WHOLE,
)

MACHINES = ("x86_64", "aarch64")
PROFILES = ("plain", "network", "shared")
PID = 4242
EPERM = seccomp.ERRNO | errno.EPERM
PROGRAMS = {
    (machine, profile): seccomp.program(machine, profile, PID) for machine in MACHINES for profile in PROFILES
}

REFUSED = {
    "fork", "vfork", "execve", "execveat", "memfd_create", "memfd_secret", "ptrace", "process_vm_readv",
    "process_vm_writev", "tkill", "rt_sigqueueinfo", "pidfd_open", "pidfd_getfd", "mount", "umount2",
    "pivot_root", "chroot", "unshare", "setns", "keyctl", "add_key", "request_key", "bpf", "io_uring_setup",
    "perf_event_open", "userfaultfd", "personality", "sched_setaffinity", "setuid", "setresuid",
    "socketpair", "bind", "listen", "accept4", "shmget", "msgget", "mq_open", "name_to_handle_at",
    "open_by_handle_at", "seccomp", "mknodat", "kexec_load", "init_module", "vmsplice", "fanotify_init",
    "signalfd4", "timer_create", "mlock", "mlockall", "modify_ldt",
}  # fmt: skip

kinds = st.sampled_from([(machine, profile) for machine in MACHINES for profile in PROFILES])
words = st.one_of(
    st.sampled_from([0, 1, 2, 3, 6, 10, PID, 0x3D0F00, 0x7D0F00, 0x80801, 0x5421, 39, 1030]),
    st.integers(0, 2**64 - 1),
    st.integers(0, 64),
)


def said(machine: str, profile: str, name: str, arguments: tuple[int, ...] = ()) -> int:
    number = seccomp.numbers(machine)[name]
    return answer(PROGRAMS[machine, profile], seccomp.ARCHITECTURES[machine], number, arguments)


def expected(machine: str, profile: str, number: int, arguments: tuple[int, ...]) -> int:
    if machine == "x86_64" and number >= 0x40000000:
        return seccomp.KILL_PROCESS
    name = {value: key for key, value in seccomp.numbers(machine).items()}.get(number)
    if name in CALLS[profile]:
        return seccomp.ALLOW
    if name in ABSENT or number > LAST_KNOWN:
        return seccomp.ERRNO | errno.ENOSYS
    if name in UNSUPPORTED:
        return seccomp.ERRNO | errno.ENOTSUP
    if name in IGNORED:
        return seccomp.ERRNO
    for checks in RULES[profile].get(name or "", ()):
        if all(
            arguments[index] & WHOLE & mask in [PID if value == OWN_PID else value for value in values]
            for index, mask, values in checks
        ):
            return seccomp.ALLOW
    return EPERM


@given(kinds, st.one_of(st.integers(0, 500), st.integers(0, 2**32 - 1)), st.tuples(*[words] * 6))
def test_every_call_is_answered_as_the_profile_says(
    kind: tuple[str, str], number: int, arguments: tuple[int, ...]
) -> None:
    machine, profile = kind
    told = answer(PROGRAMS[kind], seccomp.ARCHITECTURES[machine], number, arguments)
    assert told == expected(machine, profile, number, arguments)


@pytest.mark.parametrize("kind", PROGRAMS)
def test_every_named_call_is_answered_as_the_profile_says(kind: tuple[str, str]) -> None:
    machine, profile = kind
    for number in seccomp.numbers(machine).values():
        told = answer(PROGRAMS[kind], seccomp.ARCHITECTURES[machine], number, (0,) * 6)
        assert told == expected(machine, profile, number, (0,) * 6)


@given(kinds, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_a_call_of_a_foreign_architecture_ends_the_process(
    kind: tuple[str, str], architecture: int, number: int
) -> None:
    if architecture != seccomp.ARCHITECTURES[kind[0]]:
        assert answer(PROGRAMS[kind], architecture, number, ()) == seccomp.KILL_PROCESS


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("profile", PROFILES)
def test_what_could_make_a_second_process_or_reach_another_is_never_allowed(
    machine: str, profile: str
) -> None:
    table = seccomp.numbers(machine)
    for name in REFUSED:
        if name in table:
            assert said(machine, profile, name) == EPERM, name


@pytest.mark.parametrize("machine", MACHINES)
def test_clone_makes_threads_and_nothing_else(machine: str) -> None:
    thread = 0x3D0F00
    assert said(machine, "plain", "clone", (thread,)) == seccomp.ALLOW
    for flag in (0x100, 0x10000, 0x20000, 0x4000, 0x10000000, 0x40000000, 0x11):
        assert said(machine, "plain", "clone", (thread ^ flag,)) == EPERM, hex(flag)
    assert said(machine, "plain", "clone3", (0, 0)) == seccomp.ERRNO | errno.ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_only_a_network_allows_sockets_and_only_tcp(machine: str) -> None:
    tcp = (2, 1 | 0x80000, 6)
    assert said(machine, "plain", "socket", tcp) == EPERM
    assert said(machine, "network", "socket", tcp) == seccomp.ALLOW
    for other in (
        (1, 1, 0),
        (2, 2, 0),
        (2, 3, 0),
        (16, 3, 0),
        (40, 1, 0),
        (17, 3, 0),
        (2, 1, 132),
        (2, 1, 262),
    ):
        assert said(machine, "network", "socket", other) == EPERM, other


@pytest.mark.parametrize("machine", MACHINES)
def test_signals_reach_only_the_process_itself(machine: str) -> None:
    for name in ("kill", "tgkill"):
        assert said(machine, "plain", name, (PID, 9)) == seccomp.ALLOW
        for other in (0, 1, PID - 1, 2**64 - 1):
            assert said(machine, "plain", name, (other, 9)) == EPERM


def test_a_machine_without_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="riscv64"):
        seccomp.program("riscv64", "plain", 1)
