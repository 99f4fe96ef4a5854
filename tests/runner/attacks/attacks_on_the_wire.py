"""Speaking to the host as no guest does. The host believes a guest only about itself, and keeps little of it."""

from attack import DONE, Attack

_CRASHED = ("failed: crashed",)

WIRE = (
    Attack(
        name="forged results",
        # it could have set its variable as well: this is believed
        script='frame(\'{"t":"done","results":{"value":"forged"}}\')\nos._exit(0)\n',
        outputs={"value": "str"},
        results={"value": "forged"},
        safe="value = 'honest'\n",
    ),
    Attack(
        name="forged results that nobody asked for",
        script='frame(\'{"t":"done","results":{"value":"forged","more":1}}\')\nos._exit(0)\n',
        outputs={"value": "str"},
        ends=_CRASHED,
        safe="value = more = 1\n",
    ),
    Attack(
        name="forged results that are too large",
        script="""
frame(b'{"t":"done","results":{"value":"' + b'x' * (2 << 20) + b'"}}')
os._exit(0)
""",
        outputs={"value": "str"},
        ends=("failed: result_size",),
        safe="value = 'x' * 1000\n",
    ),
    Attack(
        name="forged numbers that are none",
        script='frame(\'{"t":"done","results":{"value":NaN}}\')\n',
        ends=_CRASHED,
        safe="value = 1.5\n",
    ),
    Attack(
        name="forged error",
        script="""
frame('{"t":"error","kind":"packages","type":"T","message":"m","traceback":[],"cpu_ms":-1,"peak_memory":1e30}')
""",
        ends=(*_CRASHED, "failed: exception"),
        safe="raise SystemExit(0)\n",
    ),
    Attack(
        name="a length of 4 GB",
        script="frame(b'x' * 100, 0xFFFFFFFF)\nwhile True: os.write(4, bytes(65536))\n",
        ends=_CRASHED,
        safe="""
x = mcp_Shop_find(name='x' * 1_000_000)
assert len(x['arguments']['name']) == 1_000_000
""",
    ),
    Attack(
        name="frames that never end",
        script="""
os.write(4, (100_000).to_bytes(4, 'big'))
import time
while True: os.write(4, b' '); time.sleep(0.001)
""",
        limits={"wall_seconds": 1.0},
        ends=("timed_out: wall_clock",),
        safe="report_progress(0.5, 'half')\n",
    ),
    Attack(
        name="frames of nothing",
        script="while True: frame('')\n",
        ends=_CRASHED,
        safe="for n in range(1000): report_progress(n / 1000)\n",
    ),
    Attack(
        name="flood of progress",
        script="while True: report_progress(0.5, 'x' * 500)\n",
        limits={"wall_seconds": 1.0},
        ends=("timed_out: wall_clock",),
        safe="report_progress(1)\n",
    ),
    Attack(
        name="flood of calls",
        script="""
n = 0
while True:
    frame('{"t":"call","seq":%d,"function":"mcp_Shop_wait","arguments":{}}' % n); n += 1
""",
        ends=_CRASHED,
        safe="""
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool: assert len(list(pool.map(lambda n: mcp_Shop_find(name=n), range(100)))) == 100
""",
    ),
    Attack(
        name="calls that fill the host's memory",
        # each byte of such a list is many in memory, and nobody answers
        script="""
big = b'{"t":"call","seq":%d,"function":"mcp_Shop_wait","arguments":{"a":[' + b'[],' * 2_500_000 + b'[]]}}'
for n in range(15): frame(big % n)
import time
time.sleep(99)
""",
        limits={"wall_seconds": 3.0},
        ends=(*_CRASHED, "timed_out: wall_clock"),
        safe="x = mcp_Shop_find(name=[[]] * 10_000)\nassert len(x['arguments']['name']) == 10_000\n",
    ),
    Attack(
        name="calls of very many values",
        script='frame(b\'{"t":"call","seq":0,"function":"f","arguments":{"a":[\' + b\'[],\' * 600_000 + b\'1]}}\')\n',
        ends=_CRASHED,
        safe="""
assert mcp_Shop_find(name=",[{" * 300_000)["arguments"]["name"] == ",[{" * 300_000
try: mcp_Shop_find(name=[[]] * 600_000)
except TypeError as error: assert "values" in str(error)
else: raise SystemExit("it took too many values")
""",
    ),
    Attack(
        name="calls whose answers nobody reads",
        script="""
n = 0
while True:
    frame('{"t":"call","seq":%d,"function":"mcp_Shop_large","arguments":{}}' % n); n += 1
    import time; time.sleep(0.01)
""",
        limits={"wall_seconds": 10.0},
        # at most 64 MB that it has not read, and one answer for each call under way
        grows=192 << 20,
        ends=_CRASHED,
        safe="for _ in range(3): assert len(mcp_Shop_large()) == 4_000_000\n",
    ),
    Attack(
        name="calls of what does not exist",
        script="""
frame('{"t":"call","seq":0,"function":"../../x\\\\u0000\\\\u001b[2J","arguments":{}}')
frame('{"t":"call","seq":0,"function":"' + 'f' * 300 + '","arguments":{}}')
""",
        ends=_CRASHED,
        safe="try: mcp_Shop_none(name=1)\nexcept NameError: pass\n",
    ),
    Attack(
        name="going on after the end",
        script=f"frame('{DONE}')\nframe('{DONE}')\nwhile True: pass\n",
        ends=_CRASHED,
        safe="import sys\nsys.exit(0)\n",
    ),
    Attack(
        name="staying after the end",
        script=f"frame('{DONE}')\nwhile True: pass\n",
        ends=("completed",),
        safe="import threading, time\nthreading.Thread(target=time.sleep, args=(10**6,)).start()\n",
    ),
    Attack(
        name="calls after the end, of a daemon thread",
        script="""
import threading
def calling():
    while True: mcp_Shop_find(name=1)
for _ in range(8): threading.Thread(target=calling, daemon=True).start()
import time
time.sleep(0.1)
value = 1
""",
        outputs={"value": "int"},
        # a thread that is still calling is nothing odd: the script has ended, and with it the thread
        results={"value": 1},
        safe="x = mcp_Shop_find(name=1)\n",
    ),
    Attack(
        name="ready again",
        script='frame(\'{"t":"ready","walls":{}}\')\n',
        ends=_CRASHED,
        safe="pass\n",
    ),
    Attack(
        name="terminal escapes",
        script="""
print('\\x1b[2J\\x1b]0;owned\\x07\\x9b31m', flush=True)
raise ValueError('\\x1b[2Jowned')
""",
        ends=("failed: exception",),
        safe="print('plain')\n",
    ),
)

OTHERS = (
    Attack(
        name="siblings' files and processes",
        script="""
holds("files", sorted(os.listdir("/work")) == [] and sorted(os.listdir("/tmp")) == [], os.listdir("/work"))
for pid in (world["sibling_pid"], world["victim_pid"]):
    refused(f"process {pid}", os.stat, f"/proc/{pid}")
holds("memory", not os.listdir("/dev/shm"), "")
holds("user", os.getuid() != world["sibling_uid"] or world["plain"], os.getuid())
refused("queue", kernel, "mq_open", b"callgate", 2, 0, 0)
""",
        safe="import os\nopen('/work/mine', 'w').close()\nassert os.listdir('/work') == ['mine']\n",
    ),
)
