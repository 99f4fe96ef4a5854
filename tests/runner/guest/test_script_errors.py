"""How a script that does not complete is told of: the cause, the message, and lines of the script alone."""

import pytest
from inside import PACKAGES, USERS, User, run_inside

from callgate.runner.sandbox.contract import Limits


def test_an_uncaught_exception_has_its_type_message_and_the_scripts_lines() -> None:
    script = "import json\n\ndef read(text):\n    return json.loads(text)\n\nread('{')\n"
    error = run_inside(script).error
    assert (error["kind"], error["type"], error["line"]) == ("exception", "json.decoder.JSONDecodeError", 4)
    assert error["message"].startswith("Expecting property name")
    assert error["traceback"] == [
        {"line": 6, "function": "<module>", "text": "read('{')"},
        {"line": 4, "function": "read", "text": "return json.loads(text)"},
    ]
    assert error["column"] == 12


def test_the_column_counts_characters() -> None:
    error = run_inside("é = 'üü'; raise ValueError('x')").error
    assert (error["line"], error["column"]) == (1, 11)


def test_a_syntax_error_has_its_place() -> None:
    error = run_inside("x = 1\nif x\n    pass\n").error
    assert (error["kind"], error["type"], error["line"], error["message"]) == (
        "exception",
        "SyntaxError",
        2,
        "expected ':'",
    )
    assert error["traceback"][0]["text"] == "if x"


def test_a_long_traceback_keeps_its_two_ends() -> None:
    error = run_inside("def f():\n    f()\nf()\n").error
    assert (error["kind"], error["type"]) == ("exception", "RecursionError")
    assert len(error["traceback"]) == 20
    assert error["traceback"][0]["function"] == "<module>"


@pytest.mark.parametrize(
    "code", ["exit()", "quit()", "import sys; sys.exit(0)", "raise SystemExit", "exit(None)"]
)
def test_leaving_early_is_a_normal_end(code: str) -> None:
    assert run_inside(f"x = 7\n{code}\nx = 8", outputs={"x": "int"}).results == {"x": 7}


@pytest.mark.parametrize(
    ("code", "message"), [("3", "the script ended with status 3"), ("'no luck'", "no luck")]
)
def test_leaving_with_a_status_is_an_error(code: str, message: str) -> None:
    error = run_inside(f"exit({code})").error
    assert (error["kind"], error["type"], error["message"]) == ("exception", "SystemExit", message)


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize(
    "code",
    ["x = bytearray(500 << 20)", "x = []\nwhile True:\n    x.append(bytes(100_000))", "raise MemoryError"],
    ids=["at once", "bit by bit", "by itself"],
)
def test_too_much_memory_is_told_of_as_memory(code: str, user: User) -> None:
    error = run_inside(code, limits=Limits(memory=200 << 20), user=user).error
    assert (error["kind"], error["type"]) == ("memory", "MemoryError")
    assert error["message"]


def test_too_much_memory_in_numpy_is_told_of_as_memory() -> None:
    script = "import numpy\nx = numpy.ones(400_000_000)"
    assert run_inside(script, packages=[PACKAGES]).error["kind"] == "memory"


@pytest.mark.parametrize("user", USERS)
def test_a_full_disk_is_told_of_as_disk(user: User) -> None:
    script = "for n in range(100):\n    open(f'/work/{n}', 'wb').write(bytes(1 << 20))"
    error = run_inside(script, disk=8 << 20, user=user).error
    assert (error["kind"], error["type"]) == ("disk", "OSError")


def test_a_file_larger_than_the_disk_is_told_of_as_disk() -> None:
    script = "open('/work/x', 'wb').truncate(100 << 20)"
    assert run_inside(script, limits=Limits(disk=8 << 20)).error["kind"] == "disk"


def test_a_database_that_fills_the_disk_is_told_of_as_disk() -> None:
    script = """
import sqlite3
base = sqlite3.connect("/work/a.db")
base.execute("create table t (a)")
base.executemany("insert into t values (?)", ((bytes(100_000),) for _ in range(1000)))
base.commit()
"""
    assert run_inside(script, disk=8 << 20).error["kind"] == "disk"


@pytest.mark.parametrize("user", USERS)
def test_too_many_threads_are_told_of_as_processes(user: User) -> None:
    script = """
import threading, time
while True:
    threading.Thread(target=time.sleep, args=(1000,)).start()
"""
    error = run_inside(script, limits=Limits(threads=10), user=user).error
    assert (error["kind"], error["type"]) == ("processes", "RuntimeError")


def test_threads_that_find_no_memory_are_told_of_as_memory() -> None:
    script = """
import threading, time
while True:
    threading.Thread(target=time.sleep, args=(1000,)).start()
"""
    error = run_inside(script, limits=Limits(threads=1000, memory=150 << 20), most=Limits(threads=1000)).error
    assert error["kind"] == "memory"


@pytest.mark.parametrize(
    "code",
    [
        "class E(Exception):\n    def __str__(self): raise KeyError\nraise E",
        "class E(Exception):\n    def __str__(self): return 5\nraise E",
        "raise ValueError('x' * 10**7)",
        "raise ValueError('\\ud800')",
        "raise type('E' * 10000, (Exception,), {})",
        "raise BaseException('x')",
        "raise KeyboardInterrupt",
        "raise ExceptionGroup('g', [ValueError()])",
        "raise StopIteration",
        "raise GeneratorExit",
    ],
)
def test_odd_exceptions_are_told_of_in_bounds(code: str) -> None:
    error = run_inside(code).error
    assert error["kind"] == "exception"
    assert len(error["message"]) <= 4000
    assert len(error["type"]) <= 200


@pytest.mark.parametrize(
    "code",
    [
        "import atexit, time\natexit.register(time.sleep, 1000)",
        "import time\nclass A:\n    def __del__(self): time.sleep(1000)\na = A()",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()",
        "import os, sys\nos.close(1); os.close(2)",
        "import sys\nsys.stdout.close(); sys.stderr.close()",
        "import sys\nsys.stdout = sys.stderr = None",
        "import json\njson.dumps = json.loads = json.JSONEncoder.encode = None\ndel json.JSONDecoder",
        "import builtins\nfor name in ('len', 'isinstance', 'str', 'ValueError'): delattr(builtins, name)",
        "import sys\nsys.modules.clear()",
        "import sys\nsys.path.clear(); sys.meta_path.clear()",
        "import os\nos.write = os._exit = None",
        "import sys\nsys.setrecursionlimit(60)",
        "import sys\nsys.settrace(lambda *a: 1 / 0)",
        "import threading\nthreading.Thread(target=lambda: 1 / 0).start()",
        "import gc\ngc.collect(); gc.disable()",
        "import os\nos.environ.clear()",
        "import os, shutil\nos.chdir('/')",
        "globals().pop('__builtins__')",
        "import sys\nsys.setprofile(lambda f, *a: 1 / (f.f_code.co_filename == 'script.py'))",
        "from signal import *\nsignal(SIGALRM, SIG_IGN)\nsetitimer(ITIMER_REAL, 0.001, 0.001)",
    ],
)
def test_what_a_script_breaks_of_its_interpreter_does_not_change_the_end(code: str) -> None:
    assert run_inside(f"x = 1\n{code}", outputs={"x": "int"}).results == {"x": 1}


def test_output_appears_line_by_line_and_what_is_left_at_the_end() -> None:
    outcome = run_inside("import sys\nprint('é', '\\ud800')\nsys.stderr.write('b')\nsys.stdout.write('a')")
    assert (outcome.stdout, outcome.stderr) == ("é \\ud800\na", "b")


def test_the_run_tells_what_it_took() -> None:
    frame = run_inside("x = bytearray(30 << 20)").frame
    assert frame is not None
    assert frame["peak_memory"] > 30 << 20
    assert frame["cpu_ms"] > 0


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("import subprocess\nsubprocess.run(['ls'])", "starts no other program"),
        ("import os\nos.popen('ls')", "starts no other program"),
        ("import multiprocessing\nmultiprocessing.Process(target=print).start()", "use a ThreadPoolExecutor"),
        (
            "from concurrent.futures import *\nProcessPoolExecutor(1).submit(print)",
            "use a ThreadPoolExecutor",
        ),
        (
            "import urllib.request\nurllib.request.socket.create_connection(('127.0.0.1', 1))",
            "no network here",
        ),
        ("import socket\nsocket.socket()", "no network here"),
    ],
)
def test_who_meets_a_wall_by_pythons_own_modules_is_told_what_to_do_instead(code: str, hint: str) -> None:
    error = run_inside(code).error
    assert (error["kind"], error["type"], error["line"]) == ("exception", "PermissionError", 2)
    assert hint in error["help"]


@pytest.mark.parametrize(
    "code",
    [
        "import urllib.request\nurllib.request.urlopen('http://a.example/', timeout=5)",
        "import socket\nsocket.getaddrinfo('a.example', 80)",
        "import sys; sys.path.append('/packages/data'); import httpx\nhttpx.get('http://a.example/')",
    ],
)
def test_who_finds_no_network_through_a_library_is_told_that_there_is_none(code: str) -> None:
    error = run_inside(code).error
    assert error["line"] == 2
    assert "no network here" in error["help"]
