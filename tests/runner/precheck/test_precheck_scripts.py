"""What is found in a script, where, and what is left alone."""

import pytest
from looked_at import AROUND, codes, findings, first
from msgspec.structs import replace

QUIET = replace(AROUND, network=False)
GOOD = """
import json, math
import httpx
import pandas as pd
from concurrent.futures import ThreadPoolExecutor

def read(path: str) -> str:
    return mcp_Files_read_text(path=path)

class Total:
    def __init__(self): self.value = 0

with ThreadPoolExecutor(8) as pool:
    texts = list(pool.map(read, ["a", "b"]))
try:
    status = mcp_Git_status()
except Exception as error:
    status = str(error)
if __name__ == "__main__":
    result = {"texts": texts, "status": status, "vars": vars(Total())}
    print(json.dumps(result), math.pi)
"""


def test_a_usual_script_passes() -> None:
    assert (
        findings(GOOD, output_vars={"result": "dict", "texts": "list[str]"}, input_vars={"list": [1]}) == []
    )


@pytest.mark.parametrize(
    ("script", "line", "column", "shown"),
    [
        ("x = (1,\ny = 2", 1, 5, "`x = (1,`"),
        ("def f():\nreturn 1", 2, 1, "`return 1`"),
        ("x = 1\n  y = 2", 2, 2, "unexpected indent"),
        ("é = 'ö' 5", 1, 9, "`é = 'ö' 5`"),
        ("x = 1\nreturn x", 2, 1, "'return' outside function"),
        ("x = 1\0", 1, 6, "a null character"),
        ("x = 1\ny = '\ud800'", 2, 6, "a lone surrogate"),
        ("\ufeffx = 1", 1, 1, "\\ufeff"),
    ],
)
def test_syntax_errors_have_a_place_and_the_text(script: str, line: int, column: int, shown: str) -> None:
    (found,) = findings(script)
    assert (found.code, found.line, found.column) == ("RUN101", line, column)
    assert shown in found.message
    assert found.message.isprintable()


@pytest.mark.parametrize(
    "script",
    [
        "# -*- coding: latin-1 -*-\nx = 'é'",
        "x = 1\r\ny = 2\rz = 3",
        "\x0cx = 1\n\x0c",
        "x = '\\d'",
        "1 is 1",
        "",
        "#",
    ],
)
def test_odd_but_valid_scripts_pass(script: str) -> None:
    assert codes(script) == []


@pytest.mark.parametrize(
    ("script", "line", "column"),
    [
        ("async def f():\n    pass", 1, 1),
        ("x = 1; await f()", 1, 8),
        ("def g():\n    return [x async for x in y]", 2, 25),
        ("import asyncio\nasyncio.run(f())", 2, 1),
        ("import asyncio as a\n\nloop = a.new_event_loop()", 3, 8),
        ("from asyncio import gather", 1, 1),
        ("import anyio\nanyio.run(f)", 2, 1),
    ],
)
def test_async_is_refused_where_it_stands(script: str, line: int, column: int) -> None:
    around = replace(AROUND, importable=frozenset({"anyio"}))
    assert first(script, around) == ("RUN104", line, column)
    assert "ThreadPoolExecutor" in (findings(script, around)[0].help or "")


def test_a_module_that_is_not_used_for_a_loop_is_no_loop() -> None:
    assert codes("import asyncio\nerror = asyncio.TimeoutError") == []


@pytest.mark.parametrize(
    ("script", "line", "column"),
    [
        ("x = locals()", 1, 5),
        ("é = globals()['x']", 1, 5),
        ("g = globals\ng()", 1, 5),
        ("def f():\n    return vars()", 2, 12),
        ("print.__globals__", 1, 1),
        ("import sys\nsys._getframe().f_locals", 2, 1),
    ],
)
def test_tricks_to_reach_variables_are_refused(script: str, line: int, column: int) -> None:
    assert first(script) == ("RUN105", line, column)


def test_a_function_of_ones_own_may_have_such_a_name() -> None:
    assert codes("def locals(): return 1\nx = locals()\nclass A: pass\ny = vars(A)") == []


@pytest.mark.parametrize(
    "script",
    ["import requests", "from requests.adapters import X", "def f():\n    import aiohttp", "import urllib3"],
)
def test_other_http_clients_are_answered_with_httpx(script: str) -> None:
    (found,) = findings(script, additional_imports=("requests",))
    assert (found.code, found.severity) == ("RUN106", "error")
    assert found.help == "use `httpx`"


def test_the_way_to_httpx_is_told() -> None:
    (found,) = findings("import requests", replace(QUIET, importable=frozenset()))
    assert found.help is not None
    assert "`additional_imports`" in found.help
    assert "no host can be reached" in found.help


def test_a_client_that_reaches_nothing_is_a_warning() -> None:
    assert codes("import httpx", QUIET) == ["RUN109?"]
    assert codes("import httpx") == []


@pytest.mark.parametrize(
    ("script", "help"),
    [
        ("import yaml", "put `PyYAML` into `additional_imports`"),
        ("import numpi", "did you mean `numpy`?"),
        ("from jsno import loads", "did you mean `json`?"),
        ("import skelarn", "did you mean `sklearn`, with `scikit-learn` in `additional_imports`?"),
        ("import some.thing", "put `some` into `additional_imports`"),
    ],
)
def test_modules_that_are_not_there_are_told_with_what_is(script: str, help: str) -> None:
    (found,) = findings(script)
    assert (found.code, found.line, found.column) == ("RUN107", 1, 1)
    assert (found.help or "").startswith(help)


def test_where_nothing_can_be_installed_no_package_is_suggested() -> None:
    (found,) = findings("import yaml", replace(AROUND, installable=False))
    assert found.help == "beside the standard library there is `httpx`, `numpy`, `pandas`"


@pytest.mark.parametrize(
    "script",
    [
        "try:\n    import yaml\nexcept ImportError:\n    yaml = None",
        "try:\n    import yaml\nexcept (ValueError, ModuleNotFoundError):\n    yaml = None",
        "try:\n    import yaml\nexcept:\n    import simplejson",
        "try:\n    import json\nexcept ImportError:\n    import simplejson",
        "from contextlib import suppress\nwith suppress(ImportError):\n    import yaml",
        "import sys\nif sys.platform == 'x':\n    import yaml",
    ],
)
def test_an_import_that_may_fail_is_never_refused(script: str) -> None:
    assert not [code for code in codes(script) if not code.endswith("?")]


@pytest.mark.parametrize(
    "script",
    [
        "try:\n    import yaml\nexcept ValueError:\n    pass",
        "try:\n    pass\nfinally:\n    import yaml",
        "if __name__ == '__main__':\n    import yaml",
        "if 1:\n    pass\nimport yaml",
    ],
)
def test_an_import_whose_failure_nothing_catches_is_refused(script: str) -> None:
    assert codes(script) == ["RUN107"]


def test_what_is_asked_for_counts_as_there() -> None:
    asked = ("scikit-learn>=1.5", "Some_Thing[extra]", "pyyaml")
    assert codes("import sklearn.cluster, some_thing, yaml", additional_imports=asked) == []
    # It may come along with what is asked for.
    assert codes("import other", additional_imports=asked) == ["RUN107?"]


def test_relative_imports_are_refused() -> None:
    assert first("from . import x") == ("RUN108", 1, 1)


@pytest.mark.parametrize(
    "script",
    [
        "import subprocess\nsubprocess.run(['ls'])",
        "import subprocess as sp\nsp.Popen('ls')",
        "from subprocess import check_output",
        "import os\nos.fork()",
        "import os\nos.system('ls')",
        "import os\nos.execvp('ls', ['ls'])",
        "import multiprocessing\nmultiprocessing.Pool()",
        "from concurrent.futures import ProcessPoolExecutor",
    ],
)
def test_other_processes_are_refused_where_there_is_one(script: str) -> None:
    assert codes(script) == ["RUN110"]
    assert codes(script, replace(AROUND, single_process=False)) == []


@pytest.mark.parametrize(
    "script",
    [
        "import subprocess",
        "import multiprocessing\nmultiprocessing.cpu_count()",
        "from multiprocessing.pool import ThreadPool",
        "import os\nos.path.join('a')",
    ],
)
def test_modules_that_could_start_one_are_left_alone(script: str) -> None:
    assert codes(script) == []


def test_nobody_is_there_to_type() -> None:
    assert first("name = input('who? ')") == ("RUN111", 1, 8)
    assert codes("def input(): pass\ninput()") == []


def test_an_unknown_tool_function_is_answered_with_a_likely_one() -> None:
    (found,) = findings("x = mcp_git_status()")
    assert (found.code, found.line, found.column) == ("RUN112", 1, 5)
    assert found.help == "did you mean `mcp_Git_status`?"


def test_functions_that_cannot_be_known_are_not_judged() -> None:
    assert codes("mcp_Other_tool()", replace(AROUND, functions=None)) == []
    assert codes("def mcp_mine(): pass\nmcp_mine()") == []
    assert codes("try:\n    mcp_Other_tool()\nexcept NameError:\n    pass") == ["RUN112?"]


def test_errors_come_first_and_in_the_scripts_order() -> None:
    script = "import httpx\nimport yaml\nx = locals()\nimport requests"
    assert codes(script, QUIET) == ["RUN107", "RUN105", "RUN106", "RUN109?"]


def test_no_more_is_told_than_anyone_reads() -> None:
    assert len(findings("\n".join(f"import unknown{number}" for number in range(300)))) == 20
