"""What a server may answer over HTTP, and what becomes of the call, of others, and of the next one."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bridge_bench import ALICE, Folder, opened, run

WAYS = ("large", "compressed", "page", "stream", "broken", "failing", "drop", "elsewhere", "forget")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    program = str(Path(__file__).parent / "remembering_http.py")
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/mcp"
        process.terminate()


@pytest.mark.parametrize("how", WAYS)
def test_a_hostile_answer_over_http_fails_its_call_and_the_next_one_works(
    folder: Folder, url: str, how: str
) -> None:
    folder.write(s={"url": url, "max_response": "64KiB", "timeout": "5s"})

    async def work() -> None:
        async with opened(folder) as bench:
            failure = await bench.failure("mcp_s_odd", {"how": how})
            assert (failure.kind, failure.ran) == ("failed", True)
            assert failure.message.isprintable()
            assert "127.0.0.1:9" not in failure.message
            assert isinstance(await bench.value("mcp_s_remember", {"text": "x"}), list)

    run(work())


def test_an_answer_that_is_refused_does_not_end_the_calls_beside_it(folder: Folder, url: str) -> None:
    folder.write(s={"url": url, "max_response": "64KiB", "timeout": "5s"})

    async def work() -> None:
        async with opened(folder) as bench:
            await bench.bridge.tools(ALICE)
            beside = [bench.call("mcp_s_remember", {"text": str(number)}) for number in range(5)]
            hostile = [bench.call("mcp_s_odd", {"how": how}) for how in ("large", "compressed", "page")]
            answers = await asyncio.gather(*beside, *hostile)
            assert [answer.failure for answer in answers[:5]] == [None] * 5
            assert all(answer.failure is not None for answer in answers[5:])

    run(work())
