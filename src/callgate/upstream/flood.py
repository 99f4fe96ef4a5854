"""When a stream of a server brings so much that cannot be passed on that it is ended, and how that is said."""

from callgate.upstream.contract import UpstreamFailure

MAX_DROPPED = 100
"""Frames of the server that may be dropped before the stream that brings them is ended."""

FLOOD = UpstreamFailure("malformed", "UPS053", "too many messages of the server are not valid")
