"""Hiding tools from a list, and nothing else."""

import json
from typing import Any

import pytest
from msgspec import Raw

from callgate.wire.toolslist import MAX_UNUSUAL_NAMES, read_tools_list, without

TOOL = b'{"name": "echo", "inputSchema": {"type":"object","multipleOf":1.0}, "x-new": [1e2] }'
SECRET = b'{"inputSchema":{},"name":"drop"}'


def page(*tools: bytes, more: bytes = b"") -> bytes:
    return b'{"_meta":{"a":1.0},"tools":[%b]%b}' % (b",".join(tools), more)


def hidden(result: bytes, **options: Any) -> bytes:
    listed = read_tools_list(Raw(result))
    assert listed is not None
    return without(listed, lambda name: name == "drop", **options)


def test_only_the_hidden_tool_goes_and_every_other_byte_stays() -> None:
    assert hidden(page(TOOL, SECRET, b'{"name":"b"}')) == page(TOOL, b'{"name":"b"}')


@pytest.mark.parametrize(
    "entry",
    [
        b'{"name":"drop","name":"echo"}',
        b'{"name": "echo", "name": "drop"}',
        b'{"name":"echo","n\\u0061me":"drop"}',
        b'{"name":"echo","Name":"drop"}',
        b'{"NAME":"drop"}',
        b'{"name":["drop"]}',
        b'{"name":null}',
        b'"drop"',
        b"null",
        b'{"title":"drop"}',
        b'{"name":"\\u0064rop"}',
        b'{"name":"a\xff"}',
    ],
)
def test_an_entry_that_could_be_a_hidden_tool_goes(entry: bytes) -> None:
    assert json.loads(hidden(page(entry, TOOL))) == json.loads(page(TOOL))


def test_sloppy_tools_stay_and_are_learnt() -> None:
    sloppy = [
        b'{"name":""}',
        b'{"name":"a","inputSchema":5}',
        b'{"name":"a","inputSchema":null}',
        b'{"name":"\\u0041"}',
    ]
    assert hidden(page(*sloppy)) == page(*sloppy)
    listed = read_tools_list(page(*sloppy))
    assert listed is not None
    assert [(tool.name, tool.input_schema) for tool in listed.tools] == [
        ("", None),
        ("a", 5),
        ("a", None),
        ("A", None),
    ]


@pytest.mark.parametrize(
    "result",
    [b"[]", b'{"tools":{}}', b"{}", b'{"tools":[],"Tools":[{}]}', b'{"tools":[1,]}', b"1", b"[" * 9999],
)
def test_a_list_that_cannot_be_read_says_so(result: bytes) -> None:
    assert read_tools_list(result) is None


def test_the_last_of_two_lists_is_the_only_one_kept() -> None:
    assert hidden(b'{"tools":[%b],"tools":[%b]}' % (TOOL, SECRET)) == b'{"tools":[]}'


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (b"", b',"cacheScope":"private","ttlMs":30000'),
        (b',"ttlMs":5,"cacheScope":"public"', b',"ttlMs":5,"cacheScope":"private"'),
        (b',"ttlMs":1e9', b',"ttlMs":30000,"cacheScope":"private"'),
        (b',"ttlMs":"x"', b',"ttlMs":30000,"cacheScope":"private"'),
    ],
)
def test_a_list_made_for_one_caller_is_private_and_short_lived(more: bytes, expected: bytes) -> None:
    assert hidden(page(TOOL, more=more), private=True, max_ttl_ms=30_000) == page(TOOL, more=expected)


def test_the_cursor_and_the_output_schema_are_seen() -> None:
    listed = read_tools_list(page(b'{"name":"a","outputSchema":{}}', TOOL, more=b',"nextCursor":"n"'))
    assert listed is not None
    assert listed.next_cursor == "n"
    assert [tool.has_output_schema for tool in listed.tools] == [True, False]


def test_names_that_take_long_to_tell_apart_are_looked_at_in_bounded_number() -> None:
    asked: list[str] = []

    def hides(name: str) -> bool:
        asked.append(name)
        return False

    names = ["plain", *(f"\u00e9{number}" for number in range(MAX_UNUSUAL_NAMES + 500)), "last"]
    listed = read_tools_list(page(*(json.dumps({"name": name}).encode() for name in names)))
    assert listed is not None
    kept = [tool["name"] for tool in json.loads(without(listed, hides))["tools"]]
    assert kept == asked == [*names[: MAX_UNUSUAL_NAMES + 1], "last"]
