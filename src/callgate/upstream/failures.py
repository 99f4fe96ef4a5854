"""The ways in which a child gives no answer, each with its stable code. Nothing in them is a child's own words."""

from callgate.upstream.contract import UpstreamFailure


def cannot_start(why: str) -> UpstreamFailure:
    """`why` is the system's reason, never the command."""
    return UpstreamFailure("unreachable", "UPS040", f"the server cannot be started: {why}", ran=False)


def ended(why: str, *, ran: bool) -> UpstreamFailure:
    return UpstreamFailure("closed", "UPS041", why, ran=ran)


def no_answer(seconds: float) -> UpstreamFailure:
    return UpstreamFailure("timeout", "UPS042", f"the server has not answered for {seconds:g} seconds")


def too_large(size: int, most: int) -> UpstreamFailure:
    text = f"the server's answer has {size} bytes; at most {most} are accepted"
    return UpstreamFailure("too_large", "UPS043", text)


MALFORMED = UpstreamFailure("malformed", "UPS044", "the server's answer is not a JSON-RPC response")

BEHIND = UpstreamFailure("busy", "UPS045", "the server does not read what it has been sent", ran=False)

FULL = UpstreamFailure(
    "busy", "UPS046", "too many of the server's processes are in use", ran=False, retry_after=1
)


def in_flight(most: int) -> UpstreamFailure:
    text = f"{most} requests wait for the server's answer already"
    return UpstreamFailure("busy", "UPS045", text, ran=False)


UNKNOWN_SESSION = UpstreamFailure("unknown_session", "UPS047", "there is no such session", ran=False)


def other_era(supported: tuple[str, ...]) -> UpstreamFailure:
    text = "the server speaks only protocol versions with an `initialize` handshake"
    return UpstreamFailure("era", "UPS048", text, ran=False, supported=supported)


def restarting(seconds: int) -> UpstreamFailure:
    text = f"the server keeps ending; it is started again in {seconds} seconds at the earliest"
    return UpstreamFailure("unreachable", "UPS049", text, ran=False, retry_after=seconds)


def mute(seconds: float) -> UpstreamFailure:
    text = f"the server has not said within {seconds:g} seconds which protocol versions it speaks"
    return UpstreamFailure("timeout", "UPS050", text, ran=False)


ID_TAKEN = UpstreamFailure(
    "busy", "WIR051", "refused by the gate: this id belongs to another request", ran=False
)
