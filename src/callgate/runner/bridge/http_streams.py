"""Streamable HTTP for the SDK's client: with the operator's credentials, no proxy, and bounded answers.

Credentials are read when a request is made, and never leave the server's own origin: the SDK follows no redirect
beyond it.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from callgate.clock import Clock
from callgate.config.model import ServerConfig
from callgate.upstream.secrets import SecretHeaders


class AnswerRefused(httpx2.StreamError):
    """An answer that is not read to its end. A StreamError, so that only the call that it answers fails."""


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: Any, most: int) -> None:
        self._stream = stream
        self._left = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._left -= len(chunk)
            if self._left < 0:
                raise AnswerRefused("the answer is too large")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Transport(httpx2.AsyncHTTPTransport):
    def __init__(self, config: ServerConfig) -> None:
        verify: ssl.SSLContext | bool = True
        if config.ca_file is not None:
            verify = ssl.create_default_context(cafile=config.ca_file)
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=20)
        super().__init__(verify=verify, trust_env=False, limits=limits)
        self._most = config.max_response

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
            # Nobody asked for compression: a few bytes could become gigabytes.
            await response.aclose()
            return httpx2.Response(502, request=request)
        if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
            response.stream = _Bounded(response.stream, self._most)
        return response


class HttpStreams:
    """The way to one server at `config.url`. Raises SecretError."""

    def __init__(self, config: ServerConfig, clock: Clock) -> None:
        self._config = config
        self._secrets = SecretHeaders(config.headers, clock)

    @asynccontextmanager
    async def streams(self) -> AsyncIterator[Any]:
        """Streams of the SDK. Raises OSError (a file of authorities that cannot be read)."""
        config = self._config
        # How long an answer may take is for each call to say.
        timeout = httpx2.Timeout(None, connect=config.connect_timeout, write=config.timeout)
        async with (
            httpx2.AsyncClient(
                transport=_Transport(config),
                timeout=timeout,
                trust_env=False,
                headers={"accept-encoding": "identity"},
                event_hooks={"request": [self._authorize]},
            ) as client,
            streamable_http_client(
                config.url or "", http_client=client, max_sse_event_size=config.max_response
            ) as streams,
        ):
            yield streams

    async def _authorize(self, request: httpx2.Request) -> None:
        for name, value in self._secrets.current():
            request.headers[name.decode()] = value.decode()
