"""A classic BPF machine of its own, to ask a seccomp program what it answers. Written from bpf(4), not from ours."""

import struct

_ALLOWED_CODES = {0x20, 0x15, 0x35, 0x54, 0x06}


def answer(program: bytes, architecture: int, number: int, arguments: tuple[int, ...]) -> int:
    """What the kernel would do with the call: the value that the program returns."""
    padded = [value & (1 << 64) - 1 for value in (*arguments, 0, 0, 0, 0, 0, 0)[:6]]
    data = struct.pack("<iIQ6Q", number if number < 1 << 31 else number - (1 << 32), architecture, 0, *padded)
    lines = [struct.unpack_from("<HBBI", program, offset) for offset in range(0, len(program), 8)]
    assert len(lines) <= 4096
    accumulator, place = 0, 0
    while True:
        code, then, otherwise, value = lines[place]
        assert code in _ALLOWED_CODES, hex(code)
        place += 1
        if code == 0x20:
            assert value % 4 == 0
            accumulator = struct.unpack_from("<I", data, value)[0]
        elif code == 0x15:
            place += then if accumulator == value else otherwise
        elif code == 0x35:
            place += then if accumulator >= value else otherwise
        elif code == 0x54:
            accumulator &= value
        else:
            return int(value)
