"""Any interleaving of frames from a hostile agent and a hostile server keeps the session's promises."""

import json
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from playbook import (
    ALIAS_TOKEN,
    MODERN,
    TOKEN,
    Frame,
    Playbook,
    ask,
    call,
    compiled_policy,
    encoded,
    failure,
    listing,
    note,
    result,
    tool,
)

from callgate.audit.record import DecisionRecord, OutcomeRecord

POLICIES = (
    """
hide: [secret]
tools:
  denied: {rules: [{action: deny}]}
  limited: {rules: [{rate_limit: {max: 3, window: 1d}}]}
  checked: {rules: [{validate: {required_args: true}, rate_limit: {max: 5, window: 1d}}]}
""",
    """
hide: [secret, free]
tools:
  denied: {rules: [{action: deny}]}
  limited: {rules: [{rate_limit: {max: 3, window: 1d}}]}
""",
)
COMPILED = tuple(compiled_policy(policy) for policy in POLICIES)
TOOLS = ("free", "denied", "limited", "checked", "secret", "nosuch")
LISTED = [tool(name, inputSchema={"type": "object", "required": ["a"]}) for name in TOOLS[:5]]
STRAY = (
    b"",
    b"{",
    b'{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"denied"}}',
    b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
    b'{"jsonrpc":"2.0","method":"tools/call","params":{"name":"free"}}',
    b'{"jsonrpc":"2.0","result":{},"method":"ping"}',
    b"\xff\xfe",
)

index = st.integers(0, 200)
agent_actions = st.one_of(
    st.tuples(st.just("call"), st.sampled_from(TOOLS), st.booleans(), st.booleans()),
    st.tuples(
        st.just("ask"), st.sampled_from(["tools/list", "ping", "subscriptions/listen", "x/y", "initialize"])
    ),
    st.tuples(st.just("again"), index, st.sampled_from(TOOLS)),
    st.tuples(st.just("cancel"), index),
    st.tuples(st.just("reply"), index),
    st.tuples(st.just("agent stray"), st.sampled_from(STRAY)),
)
server_actions = st.one_of(
    st.tuples(st.just("answer"), index, st.integers(0, 4)),
    st.tuples(st.just("answer"), index, st.integers(0, 4)),
    st.tuples(st.just("notify"), st.sampled_from(["tools/list_changed", "message", "progress", "cancelled"])),
    st.tuples(st.just("request"), st.sampled_from(["ping", "roots/list"])),
    st.tuples(st.just("server stray"), st.sampled_from(STRAY)),
)
world_actions = st.one_of(
    st.tuples(st.just("turn")),
    st.tuples(st.just("turn")),
    st.tuples(st.just("turn")),
    st.tuples(st.just("pass"), st.sampled_from([0.001, 5.0, 11.0])),
    st.tuples(st.just("disk"), st.booleans()),
    st.tuples(st.just("policy"), st.integers(0, 1)),
    st.tuples(st.just("pipe")),
)
plays = st.lists(
    st.one_of(agent_actions, agent_actions, server_actions, server_actions, world_actions), max_size=60
)


class Stage:
    """Plays actions and keeps the books that the session's promises are held against."""

    def __init__(self) -> None:
        self.book = Playbook(POLICIES[0])
        self.session = self.book.session
        self.asked: Counter[Any] = Counter()
        self.answered: Counter[Any] = Counter()
        self.cancelled: Counter[Any] = Counter()
        self.calls_at_server: Counter[Any] = Counter()
        self.unsent: Counter[Any] = Counter()
        self.ids: list[int] = []
        self.at_server: list[Frame] = []

    def play(self, action: tuple[Any, ...]) -> None:
        kind, *rest = action
        if kind == "call":
            name, modern, complete = rest
            meta = {"_meta": MODERN} if modern else {}
            self.agent(call(name, {"a": 1} if complete else {}, self.fresh_id(), **meta))
        elif kind == "ask":
            params: Frame = {"_meta": MODERN, "notifications": {"toolsListChanged": True}}
            self.agent(ask(rest[0], params if rest[0] != "initialize" else {}, self.fresh_id()))
        elif kind == "again":
            if self.ids:
                self.agent(call(rest[1], {}, self.ids[rest[0] % len(self.ids)]))
        elif kind == "cancel":
            id = self.ids[rest[0] % len(self.ids)] if self.ids else 0
            self.cancelled[id] += 1
            self.session.agent_line(encoded(note("notifications/cancelled", {"requestId": id})))
        elif kind == "reply":
            self.session.agent_line(encoded(result(rest[0], {})))
        elif kind == "agent stray":
            self.session.agent_line(rest[0])
        elif kind == "answer":
            if self.at_server:
                self.answer(self.at_server.pop(rest[0] % len(self.at_server)), rest[1])
        elif kind == "notify":
            self.session.server_line(encoded(note(f"notifications/{rest[0]}", {"requestId": 1, "data": "x"})))
        elif kind == "request":
            self.session.server_line(encoded(ask(rest[0], {}, 1)))
        elif kind == "server stray":
            self.session.server_line(rest[0])
        elif kind == "disk":
            self.book.audit.failing = rest[0]
        elif kind == "policy":
            self.session.replace_policy(COMPILED[rest[0]])
        elif kind == "pass":
            self.turn()
            self.book.clock.advance(rest[0])
            self.session.tick()
        elif kind == "pipe":
            self.turn(lost=True)
        else:
            self.turn()

    def agent(self, frame: Frame) -> None:
        self.asked[frame["id"]] += 1
        self.session.agent_line(encoded(frame))

    def fresh_id(self) -> int:
        self.ids.append(1000 + len(self.ids))
        return self.ids[-1]

    def answer(self, request: Frame, variant: int) -> None:
        id = request["id"]
        if variant == 0:
            answer = failure(id, -32602, f"unknown {request.get('params', {}).get('name')}")
        elif request["method"] == "tools/list":
            more = {"nextCursor": "p2"} if variant == 1 else {}
            answer = listing(id, LISTED[variant - 1 :], **more)
        else:
            answer = result(id, {"content": [], "isError": variant == 1, "said": request.get("params")})
        self.session.server_line(encoded(answer))

    def turn(self, *, lost: bool = False) -> None:
        """What the relay does at the end of a turn; `lost` means that nothing could be written to the server."""
        if self.book.gate.must_commit:
            self.session.commit()
        frames = [json.loads(line) for line in self.session.take_for_server()]
        if lost and frames:
            self.session.not_sent()
        for frame in frames:
            if frame.get("method") == "tools/call":
                assert self.decided(frame), f"not admitted: {frame}"
                self.calls_at_server[frame["id"]] += 1
            if not lost and "method" in frame and "id" in frame:
                self.at_server.append(frame)
        for line in self.session.take_for_agent():
            assert TOKEN.encode() not in line, line
            assert ALIAS_TOKEN.encode() not in line, line
            if (
                line.startswith(b'{"jsonrpc"')
                and "method" not in (answer := json.loads(line))
                and "id" in answer
            ):
                self.answered[answer["id"]] += 1
                tools = answer.get("result", {}).get("tools", [])
                assert all(tool["name"] != "secret" for tool in tools)

    def decided(self, frame: Frame) -> bool:
        """Whether the audit already holds a decision that lets exactly this call through."""
        name = frame["params"]["name"]
        fitting = 0
        for record in self.book.audit.records:
            if isinstance(record, DecisionRecord) and record.request == frame["id"]:
                plain = record.effect == "allow" and record.tool == name
                hidden = record.code == "DEN013" and ALIAS_TOKEN in name
                fitting += plain or hidden
        return fitting > 0

    def end(self) -> None:
        self.book.audit.failing = False
        self.turn()
        self.session.server_gone("the server ended")
        self.session.stopped("the server ended")
        self.turn()


@settings(max_examples=600, deadline=None)
@given(plays)
def test_no_interleaving_breaks_a_promise(actions: list[tuple[Any, ...]]) -> None:
    stage = Stage()
    for action in actions:
        stage.play(action)
    stage.end()

    for id in stage.ids:
        missing = stage.asked[id] - stage.answered[id]
        assert 0 <= missing <= stage.cancelled[id], f"{id} was asked {stage.asked[id]} times"

    decisions: dict[str, DecisionRecord] = {}
    outcomes: Counter[str] = Counter()
    for record in stage.book.audit.records:
        if isinstance(record, DecisionRecord):
            assert record.id not in decisions
            decisions[record.id] = record
        elif isinstance(record, OutcomeRecord):
            assert record.id in decisions, "an outcome before its decision"
            outcomes[record.id] += 1
    assert all(outcomes[id] == 1 for id in decisions)
    passed = Counter(d.request for d in decisions.values() if d.effect == "allow" or d.code == "DEN013")
    assert passed == stage.calls_at_server
    for name, most in (("limited", 3), ("checked", 5)):
        not_run = {
            record.id
            for record in stage.book.audit.records
            if isinstance(record, OutcomeRecord) and record.status == "not_forwarded"
        }
        ran = [
            d for d in decisions.values() if d.tool == name and d.effect == "allow" and d.id not in not_run
        ]
        if name == "limited" or "policy" not in [action[0] for action in actions]:
            assert len(ran) <= most


SEEDS = [
    encoded(call("denied", {"a": [1, 2.5, "\u2028\\u0000"]}, 7)),
    encoded(call("denied", {}, "x", _meta=MODERN, inputResponses={"k": {}}, requestState="s")),
    encoded(ask("tools/list", {"cursor": "p"}, 8)),
    encoded(note("notifications/cancelled", {"requestId": 7})),
    encoded(listing(8, LISTED, nextCursor="p2")),
    encoded(result(7, {"content": [{"type": "text", "text": "x"}], "isError": True})),
    encoded(failure(7, -32000, "no")),
    encoded(ask("sampling/createMessage", {"messages": []}, 3)),
]
PIECES = st.sampled_from(
    [
        *(
            b'"',
            b"\\",
            b"{",
            b"}",
            b"[",
            b",",
            b":",
            b"\r",
            b"\xe2\x80\xa8",
            b"\x00",
            b"\xff",
            b"1e400",
            b"NaN",
        ),
        *(b'"id":1.0,', b'"method":"tools/call",', b'"params":{},', b'"ID":7,', b'"result":{},', b"\\u0065"),
    ]
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A frame with a few pieces cut out, put in, or exchanged."""
    line = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(line)))
        length = draw(st.integers(0, 6))
        line = line[:place] + draw(st.one_of(PIECES, st.binary(max_size=4))) + line[place + length :]
    return line.replace(b"\n", b" ")


@settings(max_examples=600, deadline=None)
@given(st.lists(st.tuples(st.booleans(), damaged()), max_size=12))
def test_no_damaged_frame_raises_or_carries_a_forbidden_call(frames: list[tuple[bool, bytes]]) -> None:
    book = Playbook(
        "{default: deny, hide: [secret], tools: {checked: {rules: [{validate: {schema: true}}]}}}"
    )
    for from_agent, line in frames:
        if from_agent:
            book.session.agent_line(line)
        else:
            book.session.server_line(line)
        book.turn()
        for sent in book.for_server:
            message = json.loads(sent)
            assert "tools/call" not in str(message.get("method")).lower()
            # Whoever cuts lines elsewhere must not find another frame in this one.
            assert len(sent.decode().splitlines()) == 1
        book.for_server.clear()
        book.for_agent.clear()
    book.clock.advance(60)
    book.session.tick()
    book.session.server_gone("the server ended")
    book.session.stopped("the server ended")
