"""What scripts may do goes on working behind all walls."""

import pytest
from inside import PACKAGES, USERS, User, run_inside

from callgate.runner.sandbox.contract import Limits

SAFE = {
    "threads": """
import threading
found = []
threads = [threading.Thread(target=found.append, args=(n,)) for n in range(20)]
[t.start() for t in threads]; [t.join() for t in threads]
said = sorted(found) == list(range(20))
""",
    "a pool of threads": """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(max_workers=16) as pool:
    said = sum(pool.map(lambda n: n * n, range(100))) == 328350
""",
    "a pool of multiprocessing's threads": """
from multiprocessing.pool import ThreadPool
with ThreadPool(4) as pool:
    said = pool.map(abs, [-1, -2]) == [1, 2]
""",
    "sqlite": """
import sqlite3
for place in (":memory:", "/work/a.db"):
    base = sqlite3.connect(place)
    base.execute("create table t (a)")
    base.executemany("insert into t values (?)", [(n,) for n in range(1000)])
    base.commit()
    said = base.execute("select sum(a) from t").fetchone() == (499500,)
    base.close()
""",
    "temporary files": """
import os, tempfile
with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile(dir=folder) as file:
    file.write(b"x"); file.flush()
    said = os.path.getsize(file.name) == 1
with tempfile.TemporaryFile() as file:
    file.write(b"y")
""",
    "files and links": """
import os, shutil, pathlib
p = pathlib.Path("a"); p.mkdir(); (p / "b").write_text("hello"); os.chmod(p / "b", 0o600)
os.symlink("b", "a/c"); os.link("a/b", "a/d"); os.rename("a/d", "a/e")
shutil.copy2("a/b", "f"); shutil.copytree("a", "g")
shutil.move("g", "h"); shutil.rmtree("a"); os.utime("f")
said = open("f").read() + ",".join(sorted(os.listdir("."))) == "hellof,h" and os.getcwd() == "/work"
""",
    "zip and tar": """
import io, tarfile, zipfile
with zipfile.ZipFile("a.zip", "w", zipfile.ZIP_DEFLATED) as z: z.writestr("x", "y" * 1000)
zipfile.ZipFile("a.zip").extractall("out")
with tarfile.open("a.tgz", "w:gz") as t: t.add("out")
tarfile.open("a.tgz").extractall("again", filter="data") if hasattr(tarfile, "data_filter") else None
said = open("out/x").read() == "y" * 1000
""",
    "decimals": """
from decimal import Decimal
said = Decimal('0.1') * 3 == Decimal('0.3')
""",
    "compression": """
import bz2, gzip, lzma
said = lzma.decompress(lzma.compress(b'x')) == gzip.decompress(gzip.compress(b'x'))
""",
    "randomness": """
import os, secrets, uuid
said = len(os.urandom(8)) == 8 and len(secrets.token_hex(4)) == 8 and uuid.uuid4() is not None
""",
    "time": """
import time, datetime, zoneinfo
time.sleep(0.001)
said = datetime.datetime.now(zoneinfo.ZoneInfo('Europe/Berlin')).year > 2000
""",
    "timers": """
import signal
s=[]
signal.signal(signal.SIGALRM, lambda *_: s.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.01)
signal.pause()
said = s == [1]
""",
    "mapped files": """
import mmap
open('m','wb').write(b'x'*5000)
with open('m','r+b') as f, mmap.mmap(f.fileno(), 0) as m:
    m[0:1] = b'y'
said = open('m').read(1) == 'y'
""",
    "pipes and select": """
import os, select
r, w = os.pipe()
os.write(w, b'x')
said = select.select([r], [], [], 1)[0] == [r]
""",
    "how many processors": """
import os
said = os.cpu_count() >= 1 and len(os.sched_getaffinity(0)) >= 1 and bool(os.uname().machine)
""",
    "dataclasses, enums, regular expressions": """
import dataclasses, enum, re, statistics, typing
@dataclasses.dataclass
class A:
    x: int
said = A(1) == A(1) and re.match('a+', 'aa').end() == 2 and statistics.mean([1, 3]) == 2
""",
    "pickle of the script's own classes": """
import pickle
class A: pass
said = type(pickle.loads(pickle.dumps(A()))) is A
""",
    "the end of standard input": """
import sys
try:
    input()
except EOFError:
    said = sys.stdin.read() == ''
""",
    "inspecting the script": """
import inspect
def f():
    return 1
said = 'return 1' in inspect.getsource(f)
""",
    "deep recursion": """
def f(n):
    return 0 if n == 0 else 1 + f(n - 1)
said = f(900) == 900
""",
    "a signal to itself": """
import signal
s=[]
signal.signal(signal.SIGUSR1, lambda *_: s.append(1))
signal.raise_signal(signal.SIGUSR1)
said = s == [1]
""",
}


@pytest.mark.parametrize("name", SAFE)
def test_the_standard_library_works(name: str) -> None:
    outcome = run_inside(SAFE[name], outputs={"said": "bool"})
    assert outcome.results == {"said": True}, outcome


@pytest.mark.parametrize("user", USERS)
def test_threads_work_for_every_kind_of_user(user: User) -> None:
    outcome = run_inside(SAFE["a pool of threads"], outputs={"said": "bool"}, user=user)
    assert outcome.results == {"said": True}


@pytest.mark.parametrize("user", USERS)
def test_as_many_threads_as_allowed_can_be_had_and_not_one_more(user: User) -> None:
    script = """
import threading
wait, had = threading.Event(), 0
try:
    while had < 100:
        threading.Thread(target=wait.wait, daemon=True).start()
        had += 1
except RuntimeError:
    pass
wait.set()
"""
    outcome = run_inside(script, outputs={"had": "int"}, user=user, limits=Limits(threads=12))
    # the main thread is one of the twelve
    assert outcome.results == {"had": 11}


NUMPY = """
import numpy as np
from concurrent.futures import ThreadPoolExecutor
a = np.random.rand(300, 300)
with ThreadPoolExecutor(4) as pool:
    products = list(pool.map(lambda _: a @ a, range(4)))
eigen = np.linalg.eigvalsh(a + a.T)
fft = np.fft.rfft(a[0])
np.save("a.npy", a)
said = bool(np.allclose(np.load("a.npy", mmap_mode="r"), a) and all((p == products[0]).all() for p in products))
"""

PANDAS = """
import numpy as np, pandas as pd
n = 100_000
table = pd.DataFrame({"city": np.random.choice(["Rom", "Bonn"], n), "x": np.arange(n),
    "t": pd.date_range("2026", periods=n, freq="s")})
table.to_csv("t.csv", index=False)
again = pd.read_csv("t.csv", parse_dates=["t"])
sums = again.groupby("city")["x"].sum()
joined = again.merge(again.head(10), on="x")
said = int(sums.sum()) == n * (n - 1) // 2 and len(joined) == 10
again.set_index("t").resample("1h")["x"].mean()
again.to_pickle("t.pickle"); pd.read_pickle("t.pickle")
"""


@pytest.mark.parametrize("script", [NUMPY, PANDAS], ids=["numpy", "pandas"])
def test_numpy_and_pandas_work(script: str) -> None:
    outcome = run_inside(script, outputs={"said": "bool"}, packages=[PACKAGES])
    assert outcome.results == {"said": True}, outcome


def test_sets_of_text_and_random_numbers_are_the_same_in_every_attempt() -> None:
    script = "import random\norder = list({'a', 'b', 'c', 'd', 'e', 'f'})\ndraw = random.random()\n"
    first, second = (
        run_inside(script, outputs={"order": "list", "draw": "float"}, seed="s").results for _ in range(2)
    )
    assert first == second
    other = run_inside(script, outputs={"draw": "float"}, seed="t").results
    assert other["draw"] != first["draw"]
