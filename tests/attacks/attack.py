"""What an attack is, and the two calls that every attack is made of: one the policy forbids, one it allows."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")
Answer = tuple[str | int | None, str]
"""The id an answer must have, and the code in it: of a refusal, of a denial, or "result"."""

ID = 7
"""The id of the forbidden call wherever the attack is not about ids."""

ANY_NODE = frozenset({"readline", "buffer"})
EVERYWHERE = ANY_NODE | {"python", "splitlines"}


class Target(Struct, frozen=True):
    """A server under attack: a tool that must never run on it, and one that may."""

    forbidden_tool: str
    forbidden_arguments: dict[str, Any]
    allowed_tool: str
    allowed_arguments: dict[str, Any]

    @property
    def forbidden_params(self) -> bytes:
        """The params of the forbidden call as JSON."""
        return msgspec.json.encode({"name": self.forbidden_tool, "arguments": self.forbidden_arguments})

    @property
    def allowed_params(self) -> dict[str, Any]:
        """The params of the allowed call."""
        return {"name": self.allowed_tool, "arguments": self.allowed_arguments}

    def forbidden(self, id: bytes = b"7", params: bytes | None = None) -> bytes:
        """The frame of the forbidden call, without a newline; `id` and `params` are spelled as given."""
        return frame(id, b'"tools/call"', self.forbidden_params if params is None else params)

    def allowed(self, id: bytes = b"7") -> bytes:
        """The frame of the allowed call, without a newline."""
        return frame(id, b'"tools/call"', msgspec.json.encode(self.allowed_params))

    def named(self, name: bytes) -> bytes:
        """The forbidden call with its tool name spelled otherwise: a JSON text."""
        arguments = msgspec.json.encode(self.forbidden_arguments)
        return self.forbidden(params=b'{"name":%b,"arguments":%b}' % (name, arguments))

    def with_member(self, member: bytes) -> bytes:
        """The forbidden call with one more member in its params, before the others."""
        return self.forbidden(params=b"{" + member + b"," + self.forbidden_params[1:])

    def with_argument(self, argument: bytes) -> bytes:
        """The forbidden call with one more argument, spelled as given."""
        return self.forbidden(
            params=self.forbidden_params.replace(b'"arguments":{', b'"arguments":{"x":' + argument + b",", 1)
        )


def frame(id: bytes, method: bytes, params: bytes) -> bytes:
    """A request of JSON texts, without a newline."""
    return b'{"jsonrpc":"2.0","id":%b,"method":%b,"params":%b}' % (id, method, params)


def of(build: Callable[[Target, T], bytes], value: T) -> Callable[[Target], bytes]:
    """`build` for one value of many."""
    return lambda target: build(target, value)


class Attack(Struct, frozen=True):
    """`build` returns what is written, up to the newline that the test adds.

    `answers` is what must come back, in any order, and nothing else may. `passes` is what may rightly be called.
    `works_on` names readers that do run the forbidden call if they get these bytes themselves.
    """

    name: str
    why: str
    build: Callable[[Target], bytes]
    answers: tuple[Answer, ...]
    works_on: frozenset[str] = frozenset()
    passes: Callable[[Target], tuple[dict[str, Any], ...]] = lambda _: ()
    heavy: bool = False
