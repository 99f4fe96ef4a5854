"""What a script wrote, as agents read it."""

import asyncio
from typing import Any

from server_calls import run, runner, text_of

from callgate.runner.execution import Ending


def test_waiting_ends_as_soon_as_something_changes_and_gives_only_new_output() -> None:
    async def main() -> None:
        async with runner() as it:
            uuid = await it.started()
            waiting = asyncio.create_task(
                it.told("checkCodeExecStatus", execution_uuid=uuid.upper(), wait_seconds=60)
            )
            await asyncio.sleep(0)
            it.engine.write(uuid, "stdout", b"one\n")
            it.engine.write(uuid, "stderr", b"two\n")
            it.engine.change(uuid, progress=0.5, progress_text="half")
            told = await waiting
            assert told["status"] == "pending"
            told = await it.told("checkCodeExecStatus", execution_uuid=uuid, output_offset=2)
            assert told["output"] == {
                "stdout": "e\n",
                "stderr": "two\n",
                "offset": 2,
                "next_offset": 8,
                "dropped": 0,
            }
            assert told["progress"] == {"fraction": 0.5, "text": "half"}
            assert "output_offset=8" in told["hint"]

    run(main)


def test_output_is_cut_between_characters_and_says_what_is_missing() -> None:
    async def main() -> None:
        async with runner() as it:
            uuid = await it.started()
            it.engine.write(uuid, "stdout", "né".encode()[:2])
            first = (await it.told("checkCodeExecStatus", execution_uuid=uuid))["output"]
            assert (first["stdout"], first["next_offset"]) == ("n", 1)
            it.engine.write(uuid, "stdout", "né".encode()[2:] + b"\xff")
            rest = (await it.told("checkCodeExecStatus", execution_uuid=uuid, output_offset=1))["output"]
            assert (rest["stdout"], rest["next_offset"]) == ("é\ufffd", 4)
            # A character that is never completed does not hold up the rest.
            it.engine.write(uuid, "stdout", b"\xc3")
            last = (await it.told("checkCodeExecStatus", execution_uuid=uuid, output_offset=4))["output"]
            assert (last["stdout"], last["next_offset"]) == ("\ufffd", 5)
            it.engine.write(uuid, "stdout", b"0123456789")
            it.engine.write(uuid, "stdout", b"end")
            del it.engine.output[uuid][3]
            told = await it.told("checkCodeExecStatus", execution_uuid=uuid, output_offset=5)
            assert (told["output"]["stdout"], told["output"]["dropped"]) == ("end", 10)

    run(main)


def test_of_long_output_the_answer_has_both_ends_and_says_how_to_read_the_rest() -> None:
    async def main() -> None:
        async with runner() as it:
            result = await it.call("executeCode", script="spill")
            told: dict[str, Any] = result.structured_content or {}
            output = told["output"]
            written = it.engine.executions[told["execution_uuid"]].output_bytes
            lines = output["stdout"].splitlines()
            assert (lines[0], lines[-1]) == ("é000000", "é024999")
            assert "\ufffd" not in output["stdout"]
            assert (output["offset"], output["next_offset"], output["dropped"]) == (0, written, 0)
            assert output["stderr"] == ""
            offset, left_out = output["omitted"]["offset"], output["omitted"]["bytes"]
            shown = sum(len(line.encode()) + 1 for line in lines if "left out" not in line)
            assert abs(shown + left_out - written) <= 4
            assert f"{left_out} bytes left out" in text_of(result)
            assert f"output_offset={offset}" in told["hint"]
            rest = await it.told(
                "checkCodeExecStatus", execution_uuid=told["execution_uuid"], output_offset=offset
            )
            both = output["stdout"].partition("\n[...")[0] + rest["output"]["stdout"]
            assert both.startswith("".join(f"é{number:06d}\n" for number in range(6_000)))
            assert rest["output"]["offset"] == offset
            assert "omitted" not in rest["output"]

    run(main)


def test_an_execution_that_was_started_again_says_so() -> None:
    async def main() -> None:
        async with runner() as it:
            uuid = await it.started()
            assert "again" not in text_of(await it.call("checkCodeExecStatus", execution_uuid=uuid)).lower()
            it.engine.change(uuid, attempt=1)
            waits = text_of(await it.call("checkCodeExecStatus", execution_uuid=uuid))
            assert "waits to be started again" in waits
            it.engine.change(uuid, attempt=2, state="running")
            runs = text_of(await it.call("checkCodeExecStatus", execution_uuid=uuid))
            assert "started again (attempt 2): its worker was lost" in runs
            assert "already answered are not made again" in runs

    run(main)


def test_what_cannot_be_sent_as_utf8_is_replaced_and_does_not_break_the_answer() -> None:
    async def main() -> None:
        async with runner() as it:
            uuid = await it.started()
            it.engine.end(uuid, Ending(state="completed", results={"a\ud800": ["\udfff", {"b": "ü"}]}))
            told = await it.told("checkCodeExecStatus", execution_uuid=uuid)
            assert told["results"] == {"a?": ["?", {"b": "ü"}]}

    run(main)
