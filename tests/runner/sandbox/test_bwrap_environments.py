"""Sandboxes with packages or a network are kinds of their own: only what a job names is there."""

import asyncio
import contextlib
import importlib.util
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace
from sandbox_runs import LIMITS, Bench, KeepingHost, job

from callgate.runner.sandbox.bwrap.backend import environment_of
from callgate.runner.sandbox.contract import Packages


def _package(folder: Path, name: str) -> Packages:
    inside = folder / name
    (inside / f"{name}_module").mkdir(parents=True)
    (inside / f"{name}_module" / "__init__.py").write_text(f"NAME = {name!r}\n")
    folder.chmod(0o755)
    return Packages(key=name, path=str(inside))


def test_a_job_imports_its_packages_and_no_others(bench: Bench, tmp_path: Path) -> None:
    one, two = _package(tmp_path, "one"), _package(tmp_path, "two")
    script = (
        "import one_module\nname = one_module.NAME\n"
        "try:\n    import two_module\nexcept ImportError:\n    name += '!'\n"
    )
    ending, _ = bench.run(script, packages=(one,), output_vars={"name": "str"})
    assert ending.results == {"name": "one!"}, ending
    ending, _ = bench.run("import two_module\n", packages=(one, two))
    assert ending.state == "completed"
    ending, _ = bench.run("import one_module\n")
    assert ending.cause == "exception"


def test_packages_cannot_be_written(bench: Bench, tmp_path: Path) -> None:
    one = _package(tmp_path, "one")
    ending, _ = bench.run("open('/packages/one/one_module/__init__.py', 'a')\n", packages=(one,))
    assert ending.error is not None
    assert ending.error.type in ("PermissionError", "OSError")


def test_numpy_and_pandas_work_behind_all_walls(bench: Bench) -> None:
    found = importlib.util.find_spec("pandas")
    assert found is not None
    assert found.origin is not None
    installed = Packages(key="data", path=str(Path(found.origin).parents[1]))
    ending, _ = bench.run(
        "import numpy, pandas, os\n"
        "frame = pandas.DataFrame({'a': numpy.arange(1000), 'b': 1.5})\n"
        "frame.to_csv('/work/frame.csv')\n"
        "total = float(pandas.read_csv('frame.csv').a.sum()) + (os.cpu_count() or 0) * 0\n",
        replace(LIMITS, memory=1 << 30),
        packages=(installed,),
        output_vars={"total": "float"},
    )
    assert ending.results == {"total": 499500.0}, ending


def test_the_kinds_used_last_wait_ready_and_only_so_many(bench: Bench, tmp_path: Path) -> None:
    async def use() -> None:
        pool = bench.backend._pool
        assert pool is not None
        kinds = [(_package(tmp_path, f"kind{number}"),) for number in range(6)]
        for packages in kinds:
            await bench.backend.run(job("print(1)", packages=packages), KeepingHost())
        while pool._missing() is not None:
            await asyncio.sleep(0.01)
        waiting = {environment.packages for environment, ready in pool._ready.items() if ready}
        assert waiting == {(), *kinds[-4:]}
        last = environment_of(LIMITS, packages=kinds[-1])
        (ready,) = pool._ready[last]
        assert await pool.take(last) is ready
        await ready.dead()

    bench.do(use())


class _Relay:
    """An egress that answers every request with the hosts that it was given."""

    @contextlib.asynccontextmanager
    async def serve(self, listening: socket.socket, hosts: Sequence[str]) -> AsyncIterator[str]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            body = ",".join(hosts).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            await writer.drain()
            writer.close()

        port = listening.getsockname()[1]
        server = await asyncio.start_server(answer, sock=listening)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.close()
            await server.wait_closed()


def test_a_job_with_a_network_reaches_the_proxy_and_nothing_else() -> None:
    made = Bench(network=("example.test:80",), egress=_Relay())
    try:
        ending, _ = made.run(
            "import socket, urllib.request\n"
            "got = urllib.request.urlopen('http://example.test/').read().decode()\n"
            "try:\n    socket.create_connection(('127.0.0.1', 9), 1)\n"
            "except OSError as error:\n    got += '|' + type(error).__name__\n",
            network=("example.test:80",),
            output_vars={"got": "str"},
        )
        assert ending.results == {"got": "example.test:80|PermissionError"}, ending
        ending, _ = made.run("import socket\nsocket.socket()\n")
        assert ending.error is not None
        assert ending.error.type == "PermissionError"
    finally:
        made.close()


@pytest.mark.parametrize("number", range(3))
def test_sandboxes_start_with_nothing_of_the_last_script(bench: Bench, number: int) -> None:
    ending, _ = bench.run(
        "import os\nleft = os.listdir('/work') + os.listdir('/tmp')\nopen('/work/a', 'w').close()\n",
        output_vars={"left": "list"},
    )
    assert ending.results == {"left": []}
