"""Delaying the end of a run, changing it, or hiding something in its results."""

from attack import Attack, InMonty

_OUTPUT_VARS = ("failed: output_vars",)

DELAYS = (
    Attack(
        name="atexit that never ends",
        script="import atexit, time, threading\natexit.register(time.sleep, 10**6)\n"
        "threading._register_atexit(time.sleep, 10**6)\n",
        safe="""
import contextlib
done = []
with contextlib.ExitStack() as stack: stack.callback(done.append, 1)
assert done == [1]
""",
    ),
    Attack(
        name="__del__ that never ends",
        script="""
class Clinging:
    def __del__(self):
        while True: pass
kept = Clinging()
circle = [Clinging()]; circle.append(circle); del circle
import gc; gc.set_threshold(1)
value = [object() for _ in range(100)]; value = 1
""",
        # the collector may run it in the script's own time
        ends=("completed", "timed_out: wall_clock"),
        limits={"wall_seconds": 2.0},
        outputs={"value": "int"},
        safe="""
import gc, weakref
class A: pass
a = A(); r = weakref.ref(a); del a; gc.collect()
assert r() is None
""",
    ),
    Attack(
        name="hooks of the interpreter",
        script="""
import gc, sys, threading, time
def stay(*_):
    time.sleep(10**6)
sys.excepthook = sys.unraisablehook = threading.excepthook = sys.displayhook = stay
gc.callbacks.append(lambda phase, info: stay() if sys.getprofile() is None and armed else None)
armed = False
sys.setswitchinterval(1000)
import builtins, io
class Out(io.TextIOBase):
    def write(self, text): return len(text)
    def flush(self): raise SystemExit(1)
sys.stdout = Out()
armed = True
""",
        # a hook that a script's own collector calls is the script's own time
        limits={"wall_seconds": 2.0},
        ends=("completed", "timed_out: wall_clock"),
        safe="""
import sys, threading
sys.setswitchinterval(0.001)
threading.excepthook = lambda _: None
sys.excepthook = print
""",
    ),
    Attack(
        name="tracing what follows",
        script="""
import sys, threading, time
def trace(frame, event, argument):
    if frame.f_code.co_name in ('last_frame', 'run', 'send'): time.sleep(10**6)
    return trace
threading.settrace(trace); sys.settrace(trace)
""",
        safe="import cProfile\ncProfile.run('sum(range(10))')\n",
    ),
    Attack(
        name="faulthandler",
        script="""
import faulthandler, sys, time
faulthandler.enable(file=4)
faulthandler.dump_traceback_later(0.05, file=4)
time.sleep(0.3)
""",
        ends=("failed: crashed",),
        safe="import faulthandler, sys\nfaulthandler.dump_traceback(file=1)\n",
    ),
    Attack(
        name="swallowing every exception",
        script="""
while True:
    try:
        while True: raise SystemExit
    except BaseException: continue
""",
        limits={"wall_seconds": 0.5},
        ends=("timed_out: wall_clock",),
        safe="try: raise SystemExit\nexcept BaseException: pass\n",
        monty=InMonty(
            script="""
while True:
    try:
        while True:
            raise ValueError
    except BaseException:
        1\
""",
            ends=("timed_out: wall_clock",),
            safe="try:\n    raise ValueError\nexcept ValueError:\n    1",
        ),
    ),
    Attack(
        name="ctypes segfault",
        script="import ctypes\nctypes.string_at(0)\n",
        ends=("failed: crashed",),
        safe="import ctypes\nassert ctypes.string_at(ctypes.create_string_buffer(b'x')) == b'x'\n",
    ),
    Attack(
        name="stdin read",
        script="input()\n",
        ends=("failed: exception",),
        safe="""
import sys, io
assert sys.stdin.read() == ''
sys.stdin = io.StringIO('x')
assert input() == 'x'
""",
    ),
)

CHANGES = (
    Attack(
        name="patched builtins",
        script="""
import builtins, json, json.encoder, os, sys, time
for name in ("len", "str", "isinstance", "type", "dict", "list", "int", "float", "open", "print", "getattr", "bytes",
             "memoryview", "ValueError", "BaseException", "__build_class__", "__import__"):
    setattr(builtins, name, None)
json.dumps = json.encoder.JSONEncoder.encode = None
os.write = os._exit = os.read = None
sys.modules.clear()
value = 7
""",
        outputs={"value": "int"},
        results={"value": 7},
        safe="""
import builtins
old = builtins.print
builtins.print = lambda *a, **k: old('patched', *a, **k)
print(1)
""",
    ),
    Attack(
        name="patched encoder",
        script="""
import json.encoder
json.encoder.JSONEncoder.iterencode = lambda *_, **__: iter(['{}'])
json.encoder.c_make_encoder = None
value = 1
""",
        outputs={"value": "int"},
        ends=("failed: crashed", "failed: exception", "failed: output_vars", "completed"),
        safe="""
import json
assert json.dumps({'a': 1}, cls=type('E', (json.JSONEncoder,), {})) == '{"a": 1}'
""",
    ),
    Attack(
        name="reaching into the guest",
        script="""
import gc, sys
for module in [m for n, m in list(sys.modules.items()) if n.startswith("callgate_guest")]:
    for name in list(vars(module)):
        if not name.startswith("__"): setattr(module, name, None)
""",
        ends=("failed: crashed", "failed: exception", "completed"),
        safe="import callgate\nassert issubclass(callgate.ToolDenied, callgate.ToolError)\n",
    ),
    Attack(
        name="closing descriptors",
        script="import os\nfor number in (0, 1, 2, 3, 4): os.close(number)\n",
        ends=("failed: crashed",),
        safe="import os\nos.close(os.open('/work/a', os.O_CREAT))\n",
    ),
    Attack(
        name="closing stdout and stderr",
        script="import os\nos.close(1); os.close(2)\nvalue = 1\n",
        outputs={"value": "int"},
        results={"value": 1},
        safe="""
import contextlib, io
with contextlib.redirect_stdout(io.StringIO()) as o: print(1)
assert o.getvalue() == '1\\n'
""",
    ),
    Attack(
        name="output where messages go",
        script="import os\nos.dup2(4, 1)\nprint('x' * 10_000, flush=True)\n",
        ends=("failed: crashed",),
        safe="import os\na = os.dup(1)\nos.write(a, b'x')\nos.close(a)\n",
    ),
    Attack(
        name="leaving early",
        script="import os\nos._exit(0)\n",
        ends=("failed: crashed",),
        safe="import sys\nsys.exit()\n",
    ),
)

RESULTS = (
    Attack(
        name="pickling __reduce__ in results",
        script="""
import pickle
class Evil:
    def __reduce__(self): return (open, (world["open_folder"] + "/callgate_attack", "w"))
value = Evil(); text = pickle.dumps(Evil())
""",
        outputs={"text": "bytes", "value": "any"},
        ends=_OUTPUT_VARS,
        safe="import pickle\nvalue = pickle.loads(pickle.dumps({'a': 1}))\n",
    ),
    Attack(
        name="results without end",
        script="""
import itertools
value = itertools.count()
class L(list):
    def __iter__(self): return itertools.repeat([1] * 100)
many = L([1])
""",
        outputs={"many": "list", "value": "any"},
        limits={"wall_seconds": 5.0},
        ends=(*_OUTPUT_VARS, "failed: result_size", "timed_out: wall_clock", "resource_killed: memory"),
        safe="import itertools\nvalue = list(itertools.islice(itertools.count(), 5))\n",
    ),
    Attack(
        name="results that are too large",
        script="value = 'x' * (2 << 20)\n",
        outputs={"value": "str"},
        ends=("failed: result_size",),
        safe="value = 'x' * (1 << 19)\n",
        monty=InMonty(
            script="value = 'x' * (2 << 20)",
            outputs={"value": "str"},
            ends=("failed: result_size",),
            safe="value = 'x'",
        ),
    ),
    Attack(
        name="results that hold themselves",
        script="value = {}\nvalue['again'] = [value]\n",
        outputs={"value": "dict"},
        ends=(*_OUTPUT_VARS, "failed: result_size"),
        safe="a = [1]\nvalue = {'b': a, 'c': a}\n",
        monty=InMonty(
            script="value = {}\nvalue['again'] = [value]",
            outputs={"value": "dict"},
            # it writes a mark where it would begin again
            ends=("completed", *_OUTPUT_VARS, "failed: result_size", "failed: exception"),
            safe="value = {'a': [1]}",
        ),
    ),
    Attack(
        name="huge integers in results",
        script="value = 10 ** 5000\n",
        outputs={"value": "int"},
        ends=_OUTPUT_VARS,
        safe="value = 2 ** 62\n",
        monty=InMonty(
            script="value = 10 ** 5000", outputs={"value": "int"}, ends=_OUTPUT_VARS, safe="value = 2 ** 62"
        ),
    ),
    Attack(
        name="NaN and infinity in results",
        script="value = [float('nan'), float('inf')]\n",
        outputs={"value": "list"},
        ends=_OUTPUT_VARS,
        safe="import math\nvalue = 1e308\nassert math.isnan(math.nan)\n",
        monty=InMonty(
            script="value = [float('nan')]",
            outputs={"value": "list"},
            ends=_OUTPUT_VARS,
            safe="value = 1e308",
        ),
    ),
    Attack(
        name="surrogates in results",
        script="value = '\\ud800'\n",
        outputs={"value": "str"},
        ends=_OUTPUT_VARS,
        safe="value = '\\U0001F600'\n",
    ),
    Attack(
        name="surrogates in output and errors",
        script="print('\\udcff\\ud800')\nraise type('E\\ud800', (Exception,), {})('\\udfff')\n",
        ends=("failed: exception",),
        safe="print('\\U0001F600', 'é')\n",
    ),
    Attack(
        name="exceptions that are hard to tell",
        script="""
class Worse(BaseException):
    def __str__(self): raise self
    __repr__ = __str__
    __class__ = property(__str__)
    __traceback__ = property(__str__)
raise Worse
""",
        ends=("failed: exception",),
        safe="try: raise ExceptionGroup('g', [ValueError(1)])\nexcept* ValueError: pass\n",
    ),
    Attack(
        name="values that change while they are written",
        script="""
import threading
value = {str(n): n for n in range(20000)}
def change():
    n = 0
    while True:
        value[f"x{n % 50}"] = n; value.pop(f"x{(n + 25) % 50}", None); n += 1
threading.Thread(target=change, daemon=True).start()
""",
        outputs={"value": "dict"},
        ends=("completed", "failed: exception", *_OUTPUT_VARS, "failed: result_size"),
        safe="value = {str(n): n for n in range(20000)}\n",
    ),
)

ENDING = (*DELAYS, *CHANGES, *RESULTS)
