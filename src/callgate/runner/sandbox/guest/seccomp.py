"""The seccomp program of a profile, assembled where it is loaded: only there the process's own number is known.

Whatever is not allowed by `allowed_calls` is answered with EPERM; a foreign architecture (int 0x80, x32) with death,
since nothing innocent calls that way. Source: seccomp(2), linux/audit.h.
"""

import errno

from .allowed_calls import ABSENT, CALLS, IGNORED, LAST_KNOWN, OWN_PID, RULES, UNSUPPORTED, WHOLE, Rule
from .bpf import ARCHITECTURE, NUMBER, Program, argument

ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
ERRNO = 0x00050000

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000


def numbers(machine: str) -> dict[str, int]:
    """The system calls' numbers by name. Raises ValueError for a machine that we have no table of."""
    if machine == "x86_64":
        from .syscalls_x86_64 import NUMBERS as X86_64

        return X86_64
    if machine == "aarch64":
        from .syscalls_aarch64 import NUMBERS as AARCH64

        return AARCH64
    raise ValueError(f"no table of system calls for the machine `{machine}`")


def program(machine: str, profile: str, own_pid: int) -> bytes:
    """The filter for `machine` (as os.uname() names it) as an array of struct sock_filter.

    Raises ValueError for an unknown machine, KeyError for an unknown profile.
    """
    calls, rules = CALLS[profile], RULES[profile]
    table = numbers(machine)
    code = Program()
    code.load(ARCHITECTURE)
    code.if_equal(ARCHITECTURES[machine], then="known")
    code.answer(KILL_PROCESS)
    code.label("known")
    code.load(NUMBER)
    if machine == "x86_64":
        code.if_at_least(X32_BIT, otherwise="native")
        code.answer(KILL_PROCESS)
        code.label("native")
    for name, number in table.items():
        # each is an instruction and its answer, since a jump reaches only 255 instructions far
        if name in calls:
            answer = ALLOW
        elif name in ABSENT:
            answer = ERRNO | errno.ENOSYS
        elif name in UNSUPPORTED:
            answer = ERRNO | errno.ENOTSUP
        elif name in IGNORED:
            answer = ERRNO  # with no error: the call is not made, and seems to have succeeded
        else:
            continue
        code.if_equal(number, otherwise=("after", name))
        code.answer(answer)
        code.label(("after", name))
    for name, rule in rules.items():
        if name not in table:
            continue
        code.if_equal(table[name], otherwise=("after", name))
        _rule(code, name, rule, own_pid)
        code.label(("after", name))
    code.if_at_least(LAST_KNOWN + 1, otherwise="refused")
    code.answer(ERRNO | errno.ENOSYS)
    code.label("refused")
    code.answer(ERRNO | errno.EPERM)
    return code.assemble()


def _rule(code: Program, name: str, rule: Rule, own_pid: int) -> None:
    for which, checks in enumerate(rule):
        failed = (name, which, "failed")
        for place, (index, mask, values) in enumerate(checks):
            held = (name, which, place, "held")
            code.load(argument(index))
            if mask != WHOLE:
                code.mask(mask)
            for value in values[:-1]:
                code.if_equal(own_pid if value == OWN_PID else int(value), then=held)
            last = values[-1]
            code.if_equal(own_pid if last == OWN_PID else int(last), otherwise=failed)
            code.label(held)
        code.answer(ALLOW)
        code.label(failed)
    code.answer(ERRNO | errno.EPERM)
