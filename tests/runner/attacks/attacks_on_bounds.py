"""Using more of anything than a script may have: each bound ends the run in a state of its own."""

from attack import Attack, InMonty

_MEMORY = ("resource_killed: memory",)
_CPU = ("resource_killed: cpu_time",)
_WALL = ("timed_out: wall_clock",)

BOMBS = (
    Attack(
        name="thread bomb",
        script="""
import threading, time
while True: threading.Thread(target=time.sleep, args=(99,), daemon=True).start()
""",
        limits={"memory": 1 << 30},
        ends=("resource_killed: processes",),
        safe="import threading\nall_ = [threading.Thread(target=abs, args=(1,)) for _ in range(8)]\n"
        "for each in all_: each.start()\nfor each in all_: each.join()\n",
        monty=InMonty(
            script="import threading",
            ends=("ModuleNotFoundError",),
            safe="import itertools\nassert list(itertools.chain([1], [2])) == [1, 2]",
        ),
    ),
    Attack(
        name="memory bomb",
        script="kept = []\nwhile True: kept.append(bytearray(1 << 20))\n",
        ends=_MEMORY,
        safe="kept = bytearray(100 << 20)\nkept[::4096] = bytes(len(kept) // 4096)\n",
        monty=InMonty(
            script="x = []\nwhile True:\n    x.append('a' * 9999)",
            ends=_MEMORY,
            safe="x = ['a' * 999 for _ in range(1000)]",
        ),
    ),
    Attack(
        name="memory bomb at once",
        script="x = 'x' * 10**10\n",
        ends=_MEMORY,
        safe="x = 'x' * 10**6\n",
        monty=InMonty(script="x = 'x' * 10**10", ends=_MEMORY, safe="x = 'x' * 10**6"),
    ),
    Attack(
        name="memory bomb by mmap",
        script="""
import mmap
kept = []
while True:
    kept.append(mmap.mmap(-1, 16 << 20))
    kept[-1].write(bytes(16 << 20))
""",
        ends=_MEMORY,
        safe="import mmap\nwith mmap.mmap(-1, 16 << 20) as kept: kept.write(bytes(16 << 20))\n",
    ),
    Attack(
        name="memory bomb in 4 threads",
        script="""
import threading
kept = []
def grow():
    while True: kept.append(bytearray(1 << 20))
for _ in range(4): threading.Thread(target=grow, daemon=True).start()
grow()
""",
        ends=_MEMORY,
        safe="""
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool: assert sum(map(len, pool.map(bytearray, [10 << 20] * 4))) == 40 << 20
""",
    ),
    Attack(
        name="memory that no limit counts",
        script="""
refused("memfd", os.memfd_create, "x")
refused("shared memory", kernel, "shmget", 0, 64 << 20, 0o1600)
import fcntl
a, b = os.pipe()
refused("larger pipes", fcntl.fcntl, b, 1031, 64 << 20)
refused("secret memory", kernel, "memfd_secret", 0)
made = 0
try:
    while True: os.pipe(); made += 2
except OSError as error:
    holds("pipes", error.errno == errno.EMFILE and made < 600, made)
""",
        safe="import io, mmap\nb = io.BytesIO(bytes(1 << 20))\nassert len(b.read()) == 1 << 20\n",
    ),
    Attack(
        name="memfd bomb",
        script="import os\nwhile True: os.write(os.memfd_create('x'), bytes(1 << 20))\n",
        ends=("failed: exception",),
        safe="import tempfile\nwith tempfile.SpooledTemporaryFile(1 << 20) as f: f.write(b'x')\n",
    ),
    Attack(
        name="disk bomb",
        script="n = 0\nwhile True:\n    open(f'/tmp/{n}', 'wb').write(bytes(1 << 20)); n += 1\n",
        ends=("resource_killed: disk",),
        safe="open('/work/a', 'wb').write(bytes(10 << 20))\n",
        monty=InMonty(
            script="open('/work/a', 'wb').write(b'x' * 99999)",
            ends=("PermissionError",),
            safe="x = b'x' * 99999",
        ),
    ),
    Attack(
        name="disk bomb of files that have no name",
        script="""
import os
kept = []
while True:
    kept.append(open('/work/a', 'wb')); os.unlink('/work/a')
    kept[-1].write(bytes(1 << 20)); kept[-1].flush()
""",
        ends=("resource_killed: disk",),
        safe="import tempfile\nwith tempfile.TemporaryFile() as f: f.write(bytes(5 << 20))\n",
    ),
    Attack(
        name="disk bomb by sqlite",
        script="import sqlite3\ns = sqlite3.connect('/work/s')\ns.execute('create table t (x)')\n"
        "while True: s.execute('insert into t values (zeroblob(1000000))'); s.commit()\n",
        ends=("resource_killed: disk",),
        safe="import sqlite3\ns = sqlite3.connect('/work/s')\ns.execute('create table t (x)')\n"
        "s.execute('insert into t values (zeroblob(1000000))')\ns.commit()\ns.close()\n",
    ),
    Attack(
        name="inode bomb",
        script="n = 0\nwhile True: open(f'/work/{n}', 'w').close(); n += 1\n",
        ends=("resource_killed: inodes",),
        safe="for n in range(100): open(f'/work/{n}', 'w').close()\n",
    ),
    Attack(
        name="inode bomb of links and folders",
        script="""
import os
open('/work/a', 'w').close()
n = 0
while True: os.link('/work/a', f'/work/l{n}'); os.mkdir(f'/tmp/{n}'); n += 1
""",
        ends=("resource_killed: inodes",),
        safe="import os\nos.makedirs('/work/' + '/'.join('abcdefgh' * 4))\n",
    ),
    Attack(
        name="attributes of files, which no limit counts",
        script="""
open('/work/a', 'w').close()
import shutil
for n in range(3):
    try: os.setxattr('/work/a', f'user.{n}', bytes(60000)); said[str(n)] = 'went through'
    except OSError: holds(str(n), True)
""",
        safe="import shutil\nopen('/work/a', 'w').write('x')\nshutil.copy2('/work/a', '/work/b')\n",
    ),
    Attack(
        name="stdout bomb",
        script="while True: print('x' * 10000)\n",
        ends=("resource_killed: output",),
        safe="print('x' * 100_000)\n",
        monty=InMonty(
            script="while True:\n    print('x' * 9999)",
            ends=("resource_killed: output",),
            safe="print('x' * 9999)",
        ),
    ),
    Attack(
        name="stderr bomb",
        script="import os\nwhile True: os.write(2, b'x' * 65536)\n",
        ends=("resource_killed: output",),
        safe="""
import sys, warnings, logging
warnings.warn('w')
logging.error('e')
print('x' * 1000, file=sys.stderr)
""",
    ),
    Attack(
        name="JSON-depth bomb",
        script="deep = []\nfor _ in range(100_000): deep = [deep]\n",
        outputs={"deep": "list"},
        ends=("failed: output_vars", "failed: result_size"),
        safe="import json\ndeep = json.loads('[' * 50 + ']' * 50)\n",
        monty=InMonty(
            script="deep = []\nfor _ in range(2000):\n    deep = [deep]",
            outputs={"deep": "list"},
            ends=("failed: output_vars", "failed: result_size", "failed: exception"),
            safe="import json\ndeep = json.loads('[[[]]]')",
        ),
    ),
    Attack(
        name="JSON-depth bomb in a frame of its own making",
        script=r"""
import os
body = b'{"t":"done","results":{"a":' + b"[" * 900_000 + b"]" * 90_000 + b"}}"
os.write(4, len(body).to_bytes(4, "big") + body)
""",
        ends=("failed: crashed", "failed: result_size"),
        safe="import json\ntry: json.loads('[' * 1_000_000)\nexcept RecursionError: pass\n",
    ),
    Attack(
        name="zip bomb",
        script="""
import zipfile, io
held = io.BytesIO()
with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as made:
    with made.open("a", "w", force_zip64=True) as one:
        for _ in range(64): one.write(bytes(1 << 20))
zipfile.ZipFile(held).extractall("/work")
""",
        ends=("resource_killed: disk",),
        safe="""
import zipfile
with zipfile.ZipFile("/work/a.zip", "w", zipfile.ZIP_DEFLATED) as made: made.writestr("a", "x" * 100_000)
zipfile.ZipFile("/work/a.zip").extractall("/work")
assert len(open("/work/a").read()) == 100_000
""",
    ),
    Attack(
        name="zip bomb in memory",
        script="""
import zlib
squeeze = zlib.compressobj(1)
data = b''.join([*(squeeze.compress(bytes(1 << 20)) for _ in range(300)), squeeze.flush()])
zlib.decompress(data)
""",
        ends=_MEMORY,
        safe="""
import gzip, bz2, lzma
assert gzip.decompress(gzip.compress(b'x')) == lzma.decompress(lzma.compress(b'x')) == b'x'
""",
    ),
    Attack(
        name="descriptor bomb",
        script="import os\nkept = []\nwhile True: kept.append(open('/dev/null'))\n",
        ends=("failed: exception",),
        safe="kept = [open('/dev/null') for _ in range(100)]\nfor each in kept: each.close()\n",
    ),
    Attack(
        name="compiler bombs",
        script="""
for name, text in (("parentheses", "(" * 100_000), ("signs", "-" * 100_000 + "1"), ("dots", "a" + ".a" * 100_000),
                   ("blocks", "".join(" " * n + "if 1:\\n" for n in range(500)))):
    try: compile(text, "", "exec"); said[name] = ""
    except (SyntaxError, MemoryError, RecursionError): said[name] = ""
holds("tried", len(said) == 4)
""",
        ends=("completed", "failed: crashed", *_MEMORY),
        safe="assert eval('1 + 1') == 2\n",
        monty=InMonty(
            script="x = eval('(' * 100_000)", ends=("failed: exception",), safe="assert [[1]] == [[1]]"
        ),
    ),
    Attack(
        name="deep recursion",
        script="import sys\nsys.setrecursionlimit(2**31 - 1)\ndef f(): return [f()]\nf()\n",
        limits={"memory": 64 << 20},
        ends=("failed: crashed", "failed: exception", *_MEMORY),
        safe="def f(n): return n and f(n - 1)\nassert f(500) == 0\n",
        monty=InMonty(
            script="def f():\n    f()\nf()",
            ends=("failed: exception",),
            safe="def f(n):\n    return n and f(n - 1)\nassert f(100) == 0",
        ),
    ),
)

TIME = (
    Attack(
        name="CPU spin on 4 threads",
        script="""
import threading
def spin():
    while True: pass
for _ in range(4): threading.Thread(target=spin).start()
spin()
""",
        limits={"cpu_seconds": 0.5},
        ends=_CPU,
        safe="""
import threading
def work(): sum(range(100_000))
all_ = [threading.Thread(target=work) for _ in range(4)]
for each in all_: each.start()
for each in all_: each.join()
""",
        monty=InMonty(
            script="""
while True:
    pass\
""",
            ends=_CPU,
            safe="assert sum(range(1000)) == 499500",
        ),
    ),
    Attack(
        name="9**9**9",
        script="x = 9**9**9\n",
        limits={"cpu_seconds": 0.5},
        ends=_CPU,
        safe="assert pow(9, 9**9, 1_000_007) < 1_000_007 and 9**9 == 387_420_489\n",
        monty=InMonty(script="x = 9**9**9", ends=(*_MEMORY, *_CPU), safe="assert 9**9 == 387420489"),
    ),
    Attack(
        name="a regular expression that never ends",
        script="import re\nre.match('(a+)+$', 'a' * 99 + 'b')\n",
        limits={"cpu_seconds": 0.5},
        ends=_CPU,
        safe="import re\nassert re.match('(a+)+$', 'a' * 99)\n",
        monty=InMonty(
            script="import re\nwhile True:\n    re.match('(a+)+$', 'a' * 99 + 'b')",
            ends=(*_CPU, "failed: exception"),
            safe="import re\nassert re.match('a+$', 'aaa')",
        ),
    ),
    Attack(
        name="sleep",
        script="import time\ntime.sleep(10**6)\n",
        limits={"wall_seconds": 0.5},
        ends=_WALL,
        safe="import time\ntime.sleep(0.2)\n",
        monty=InMonty(
            script="import time\ntime.sleep(10**6)", ends=_WALL, safe="import time\ntime.sleep(0.1)"
        ),
    ),
    Attack(
        name="waiting that nothing ends",
        script="""
import threading, signal
for name in range(1, 65):
    try: signal.signal(name, lambda *_: None)
    except (OSError, ValueError): pass
while True:
    try: threading.Event().wait()
    except BaseException: pass
""",
        limits={"wall_seconds": 0.5},
        ends=_WALL,
        safe="import threading\nassert threading.Event().wait(0.1) is False\n",
    ),
    Attack(
        name="SIGSTOP itself",
        script="import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\n",
        limits={"wall_seconds": 1.0},
        # the first process of a namespace does not hear it; another one stops, and is ended by the clock
        ends=("completed", *_WALL),
        safe="import signal\nassert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL\n",
    ),
    Attack(
        name="alarm",
        script="""
import signal, time
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
signal.alarm(1)
while True: time.sleep(1)
""",
        limits={"wall_seconds": 1.0},
        ends=("failed: crashed", *_WALL),
        safe="import signal, time\nseen = []\nsignal.signal(signal.SIGALRM, lambda *_: seen.append(1))\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.01)\ntime.sleep(0.1)\nassert seen == [1]\n",
    ),
)

BOUNDS = (*BOMBS, *TIME)
