"""Classic BPF as far as a seccomp filter needs it: instructions with labels, assembled to the kernel's bytes.

Source: linux/filter.h, linux/bpf_common.h, linux/seccomp.h (struct seccomp_data). Decides nothing.
"""

import struct

LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
MASK = 0x54  # BPF_ALU | BPF_AND | BPF_K
RETURN = 0x06  # BPF_RET | BPF_K

NUMBER = 0
ARCHITECTURE = 4


def argument(index: int) -> int:
    """The offset of the low half of a call's argument. Both machines we know are little-endian."""
    return 16 + 8 * index


class Program:
    """Instructions in order. A jump goes to a label; None is the next instruction."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, object, object, int]] = []
        self._labels: dict[object, int] = {}

    def load(self, offset: int) -> None:
        self._lines.append((LOAD, None, None, offset))

    def mask(self, bits: int) -> None:
        self._lines.append((MASK, None, None, bits))

    def answer(self, value: int) -> None:
        self._lines.append((RETURN, None, None, value))

    def if_equal(self, value: int, then: object = None, otherwise: object = None) -> None:
        self._lines.append((EQUAL, then, otherwise, value & 0xFFFFFFFF))

    def if_at_least(self, value: int, then: object = None, otherwise: object = None) -> None:
        self._lines.append((AT_LEAST, then, otherwise, value))

    def label(self, name: object) -> None:
        """Name the place of the next instruction."""
        self._labels[name] = len(self._lines)

    def assemble(self) -> bytes:
        """The program as an array of struct sock_filter. Raises ValueError for a jump that is too far."""
        packed = bytearray()
        for place, (code, then, otherwise, value) in enumerate(self._lines):
            packed += struct.pack("=HBBI", code, self._jump(place, then), self._jump(place, otherwise), value)
        return bytes(packed)

    def _jump(self, place: int, label: object) -> int:
        if label is None:
            return 0
        distance = self._labels[label] - place - 1
        if not 0 <= distance <= 255:
            raise ValueError(f"the jump from {place} to {label} is {distance} instructions long")
        return distance
