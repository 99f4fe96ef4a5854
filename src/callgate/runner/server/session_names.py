"""Session ids of callers that cannot be told apart."""

import re

from callgate.runner.jobs.contract import Refusal
from callgate.runner.server.input_schemas import UUID

_UUID = re.compile(UUID)


def check_session_id(session_id: str | None) -> None:
    """Where everybody is one caller, whoever knows a session id has its variables: it must not be guessable.

    Raises Refusal.
    """
    if session_id is not None and _UUID.fullmatch(session_id) is None:
        raise Refusal(
            "RUN009",
            "without authentication and session a `session_id` must be a random UUID",
            help="others could guess it, and read the variables of its runs",
        )
