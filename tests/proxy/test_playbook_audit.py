"""No record, no forward: what happens to calls while the audit cannot be written."""

from collections.abc import Callable

from playbook import Playbook, ask, call, denied, note, result, text, tool

Play = Callable[..., Playbook]

TWO_A_MINUTE = "tools: {echo: {rules: [{rate_limit: 2/minute}]}}"


def test_nothing_is_forwarded_that_could_not_be_recorded(play: Play) -> None:
    stage = play(TWO_A_MINUTE).handshake()
    stage.audit.failing = True
    stage.agent_says(call("echo", {}, 1), ask("ping", None, 2), call("free", {}, 3))
    stage.server_gets(ask("ping", None, 2))
    refusals = stage.taken_by_agent()
    assert sorted(frame["id"] for frame in refusals) == [1, 3]
    for frame in refusals:
        denied(frame["id"], "DEN031")(frame)
    assert stage.session.unanswered == 1
    assert stage.audit.records == []


def test_what_an_unrecorded_call_took_is_given_back(play: Play) -> None:
    stage = play(TWO_A_MINUTE).handshake()
    stage.audit.failing = True
    for number in range(5):
        stage.agent_says(call("echo", {}, number)).server_gets().agent_gets(denied(number, "DEN031"))
    stage.audit.failing = False
    for number in (10, 11):
        stage.agent_says(call("echo", {}, number)).server_gets(call("echo", {}, number))
    stage.agent_says(call("echo", {}, 12)).server_gets().agent_gets(denied(12, "DEN020", wait=60))
    stage.audit_holds(
        "event records_not_written", "allow echo", "allow echo", "deny echo DEN020", "denied echo"
    )


def test_the_operator_hears_of_a_failing_audit_once_and_of_its_recovery(play: Play) -> None:
    stage = play().handshake()
    stage.audit.failing = True
    for number in range(3):
        stage.agent_says(call("echo", {}, number)).agent_gets(denied(number, "DEN031"))
    stage.audit.failing = False
    stage.agent_says(call("echo", {}, 9)).server_gets(call("echo", {}, 9))
    told = [line for level, line in stage.log if level in ("error", "warning")]
    assert len(told) == 2
    assert "AUD001" in told[0]
    assert "again" in told[1]


def test_the_outcome_of_a_call_that_ran_survives_a_failing_audit(play: Play) -> None:
    stage = play().handshake().agent_says(call("echo", {}, 1)).server_gets(call("echo", {}, 1))
    stage.audit.failing = True
    stage.server_says(result(1, text("x"))).agent_gets(result(1, text("x")))
    stage.agent_says(call("echo", {}, 2)).agent_gets(denied(2, "DEN031"))
    stage.audit.failing = False
    stage.audit_holds("allow echo", "event records_not_written", "ok echo")


def test_refusals_are_answered_though_they_cannot_be_recorded(play: Play) -> None:
    stage = play("tools: {rm: {rules: [{action: deny}]}}").handshake()
    stage.audit.failing = True
    stage.agent_says(call("rm")).server_gets().agent_gets(denied(1, "DEN001"))


def test_a_call_cancelled_before_its_record_failed_leaves_no_trace(play: Play) -> None:
    stage = play(TWO_A_MINUTE).handshake()
    stage.audit.failing = True
    cancel = note("notifications/cancelled", {"requestId": 1})
    stage.agent_says(call("echo"), cancel).server_gets(cancel).agent_gets()
    stage.audit.failing = False
    stage.audit_holds()
    stage.agent_says(call("free", {}, 2)).server_gets(call("free", {}, 2))
    stage.audit_holds("event records_not_written", "allow free")


def test_a_server_that_answers_before_it_was_asked_is_not_answered_over(play: Play) -> None:
    stage = play().handshake()
    stage.audit.failing = True
    stage.session.agent_line(b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}')
    stage.session.server_line(b'{"jsonrpc":"2.0","id":1,"result":{}}')
    stage.turn().server_gets().agent_gets(result(1, {}))
    stage.audit.failing = False
    stage.audit_holds()


def test_a_call_released_by_its_schema_is_refused_like_any_other(play: Play) -> None:
    stage = play("tools: {echo: {rules: [{validate: {required_args: true}}]}}").handshake()
    stage.agent_says(call("echo"))
    (question,) = stage.taken_by_server()
    stage.audit.failing = True
    stage.server_says(result(question["id"], {"tools": [tool("echo")]}))
    stage.server_gets().agent_gets(denied(1, "DEN031"))


def test_a_hidden_call_needs_its_record_too(play: Play) -> None:
    stage = play("hide: [secret]").handshake()
    stage.audit.failing = True
    stage.agent_says(call("secret", {}, 1), call("nosuch", {}, 2)).server_gets()
    answers = stage.taken_by_agent()
    for frame in answers:
        denied(frame["id"], "DEN031")(frame)
