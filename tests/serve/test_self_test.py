"""The canary that is posted before the gate serves: denied through the real front, whatever the server is like."""

import pytest
from serve_play import Desk

from callgate.errors import CallgateError
from callgate.policy.compile import Policy
from callgate.policy.load import load_policy
from callgate.proxy.selftest import with_canary
from callgate.serve.selftest import NoServer, Noted, canary_call, canary_head, check

POLICIES = pytest.mark.parametrize(
    "policy",
    [
        "default: allow",
        "default: deny",
        "default: allow\nhide: ['*']\n",
        "default: allow\nhide: ['c*', canary]\n",
        "default: allow\ntools:\n  '*': {rules: [{validate: {schema: true}}]}\n",
        "default: allow\ntools:\n  '*': {rules: [{rate_limit: 1/hour}]}\n",
    ],
)


def posted(policy: Policy, *, child: bool) -> tuple[Noted, NoServer]:
    desk = Desk(child=child)
    server = NoServer("srv")
    desk.guarded.policy = policy
    desk.guarded.upstream = server
    for tools in desk.guarded.tools.values():
        tools._upstream = server
    noted = Noted(lambda: None)
    head = canary_head("/srv/mcp", "canary")
    desk.front.head(head)
    desk.front.handle(head, canary_call("canary"), noted)
    desk.loop.run()
    return noted, server


def policy_of(text: str) -> Policy:
    return with_canary(load_policy(text.encode(), "policy.yaml"), "canary")


@POLICIES
@pytest.mark.parametrize("child", [False, True])
def test_a_gate_that_denies_passes(policy: str, child: bool) -> None:
    check(*posted(policy_of(policy), child=child))


@pytest.mark.parametrize("child", [False, True])
def test_a_gate_that_forwards_the_canary_does_not(child: bool) -> None:
    allows = Desk("default: allow").guarded.policy
    with pytest.raises(CallgateError, match="self-test"):
        check(*posted(allows, child=child))


def test_a_gate_that_denies_for_another_reason_does_not() -> None:
    denies = Desk("default: deny").guarded.policy
    with pytest.raises(CallgateError, match="self-test"):
        check(*posted(denies, child=False))


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"result":null}', b'{"result":{"isError":false}}'])
def test_anything_but_the_canarys_denial_fails(body: bytes) -> None:
    noted = Noted(lambda: None)
    noted.send(200, body)
    with pytest.raises(CallgateError):
        check(noted, NoServer("srv"))
