"""Stand between two programs that talk over standard input and output, and keep every byte.

    wiretap.py PREFIX COMMAND [ARGUMENT ...]

What goes to COMMAND is appended to PREFIX.in, what comes from it to PREFIX.out.
"""

import os
import signal
import subprocess
import sys
import threading

prefix, command = sys.argv[1], sys.argv[2:]
child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
signal.signal(signal.SIGTERM, lambda *_: child.terminate())


def copy(source: int, sink: int, path: str) -> None:
    """Until the end of `source`: into the file, then into `sink`, which is closed at the end."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        while data := os.read(source, 1 << 20):
            os.write(log, data)
            while data:
                data = data[os.write(sink, data) :]
    except OSError:
        pass
    finally:
        os.close(log)
        os.close(sink)


assert child.stdin is not None
assert child.stdout is not None
threading.Thread(target=copy, args=(0, os.dup(child.stdin.fileno()), f"{prefix}.in"), daemon=True).start()
child.stdin.close()
copy(child.stdout.fileno(), os.dup(1), f"{prefix}.out")
os.close(1)
os._exit(child.wait() & 0xFF)
