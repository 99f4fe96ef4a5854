"""What one server lists now, for all owners: asked for when it is needed, good for a minute or until it changes.

An old list is better than none while a new one is fetched; a server that cannot be asked is left alone for a moment.
"""

import asyncio
from collections.abc import Awaitable, Callable

from mcp import MCPError
from pydantic import ValidationError

from callgate.clock import Clock
from callgate.runner.bridge.connection import Connection
from callgate.runner.bridge.failures import Unreachable, shown
from callgate.runner.bridge.listing import Lister, Listing, empty

FRESH_SECONDS = 60.0
RETRY_SECONDS = 5.0
"""After the list could not be had, nobody waits for another try for so long."""
PAGE_SECONDS = 10.0
SHORT_SECONDS = 1.0
"""How long those wait who come after the list could not be had."""
MAX_PAGES = 200

Connect = Callable[[], Awaitable[Connection]]


class Catalog:
    """The tools of one server. `failure` is why the last list could not be had, None if it could."""

    def __init__(self, server: str, prefixes: dict[str, str], connect: Connect, clock: Clock) -> None:
        self._server = server
        self._prefixes = prefixes
        self._connect = connect
        self._clock = clock
        self._fresh_until_ns = 0
        self._quiet_until_ns = 0
        self._changes = 0
        self._known = False
        self._outdated = False
        self._fetching: asyncio.Task[None] | None = None
        self.listing: Listing = empty()
        self.failure: str | None = None

    @property
    def fresh(self) -> bool:
        return self._clock.monotonic_ns() < self._fresh_until_ns

    def outdated(self) -> None:
        """The server says that its tools changed."""
        self._changes += 1
        self._outdated = True
        self._fresh_until_ns = 0

    async def read(self) -> Listing:
        """The list, at once if one is known that the server has not called outdated."""
        if not self.fresh:
            fetching = self._fetch()
            if fetching is not None and (self._outdated or not self._known):
                # A server that hangs must not hold up every execution; the fetch goes on.
                seconds = PAGE_SECONDS if self.failure is None else SHORT_SECONDS
                await asyncio.wait((fetching,), timeout=seconds)
                if not fetching.done() and self.failure is None:
                    self.failure = "the server has not said what it can do yet"
        return self.listing

    async def current(self) -> Listing | None:
        """The list if it is fresh, or can be had now; None otherwise."""
        if not self.fresh:
            fetching = self._fetch()
            if fetching is not None:
                await asyncio.shield(fetching)
        return self.listing if self.fresh else None

    async def close(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _fetch(self) -> asyncio.Task[None] | None:
        """The fetch under way, or a new one; None if it is too early to ask again."""
        if self._fetching is None:
            if self._clock.monotonic_ns() < self._quiet_until_ns:
                return None
            self._fetching = asyncio.get_running_loop().create_task(self._ask())
        return self._fetching

    async def _ask(self) -> None:
        try:
            changes = self._changes
            listing = await self._pages()
        except Unreachable as error:
            self._failed(error.why)
        except MCPError as error:
            self._failed(f"the server does not list its tools: {shown(error.message)}")
        except ValidationError:
            self._failed("the server's list of tools cannot be read")
        except TimeoutError:
            self._failed(f"the server has not listed its tools within {PAGE_SECONDS:g} seconds")
        except Exception as error:
            self._failed(f"the server's tools could not be listed ({type(error).__name__})")
        else:
            self.listing = listing
            self.failure = None
            self._known = True
            if self._changes == changes:
                self._outdated = False
                self._fresh_until_ns = self._clock.monotonic_ns() + round(FRESH_SECONDS * 1e9)
        finally:
            self._fetching = None

    async def _pages(self) -> Listing:
        connection = await self._connect()
        lister = Lister(self._server)
        cursor: str | None = None
        async with asyncio.timeout(PAGE_SECONDS):
            for _ in range(MAX_PAGES):
                page = await connection.list_tools(cursor, PAGE_SECONDS)
                for tool in page.tools:
                    lister.add(tool)
                cursor = page.next_cursor
                if cursor is None or lister.full:
                    break
        return lister.listing(self._prefixes)

    def _failed(self, failure: str) -> None:
        self.failure = failure
        self._quiet_until_ns = self._clock.monotonic_ns() + round(RETRY_SECONDS * 1e9)
