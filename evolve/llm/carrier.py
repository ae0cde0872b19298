"""What carries calls to a vendor: aiohttp beneath the SDKs, where they come with httpx alone.

A call over it takes about two thirds of the CPU, and no walk through all connections. The SDKs
have such a transport too; it calls a lost connection one that was never made, cannot read every
answer that httpx reads, and takes a SOCKS proxy for one that speaks HTTP.
"""

from __future__ import annotations

import asyncio
import io
import ssl
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx2
from yarl import URL

_HEADER_BYTES = 1 << 20
_MOST_HEADERS = 10_000
_CHUNK_BYTES = 1 << 16
_AT_ONCE_BYTES = 1 << 20
"""A body up to this size is written in one go, with the head; aiohttp warns of longer ones."""


def carried(options: dict[str, Any]) -> dict[str, Any]:
    """The options of an `httpx2.AsyncClient`, with the carrier beneath it.

    Where the environment names a proxy they are left as they are: httpx knows more of them.

    Raises:
        OSError: the certificates that the environment names are not there.
    """
    context = httpx2.create_ssl_context()
    if urllib.request.getproxies().keys() - {"no"}:
        return {**options, "verify": context}
    return {**options, "transport": Carrier(context)}


class Carrier(httpx2.AsyncBaseTransport):
    """Sends over aiohttp and fails as httpx's own transport does."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        try:
            address = URL(str(request.url.copy_with(userinfo=b"")), encoded=True)
            address.port  # noqa: B018  looked at only when it is asked for
            (address.raw_host or "").encode("idna")  # else the resolver would fail at it
        except ValueError as error:
            raise httpx2.UnsupportedProtocol(str(error)) from error
        while True:
            try:
                answer = await self._sent(request, address, body)
                break
            except (aiohttp.ClientError, OSError, ValueError) as error:
                # each time one connection fewer is left that the server has closed behind an answer
                if len(body) > _AT_ONCE_BYTES or not _never_left(error):
                    raise _named(error) from error
        if answer.status < 200:
            answer.close()
            raise httpx2.RemoteProtocolError(f"the server answered with status {answer.status}")
        return httpx2.Response(
            answer.status, headers=list(answer.raw_headers), stream=_Body(answer), request=request
        )

    async def _sent(
        self, request: httpx2.Request, address: URL, body: bytes
    ) -> aiohttp.ClientResponse:
        if self._session is None:  # made on the loop that it works in
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=self._context),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                max_line_size=_HEADER_BYTES,
                max_field_size=_HEADER_BYTES,
                max_headers=_MOST_HEADERS,
            )
        limits = request.extensions.get("timeout", {})
        return await self._session.request(
            request.method,
            address,
            headers=list(request.headers.multi_items()),
            data=(body if len(body) <= _AT_ONCE_BYTES else io.BytesIO(body)) or None,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                sock_connect=limits.get("connect"), sock_read=limits.get("read")
            ),
        )

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)  # only then are its sockets closed


class _Body(httpx2.AsyncByteStream):
    """The body of an answer as it comes."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._answer.content.iter_chunked(_CHUNK_BYTES):
                yield part
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _named(error) from error

    async def aclose(self) -> None:
        self._answer.release()


def _named(error: Exception) -> httpx2.TransportError:
    """The failure as httpx names it. What is no failure to connect may have reached the server."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return httpx2.ConnectTimeout("")
        case TimeoutError():
            return httpx2.ReadTimeout("")
        case aiohttp.InvalidURL():
            return httpx2.UnsupportedProtocol(f"{error.description or 'it names no host'}")
        case aiohttp.ClientConnectorError():
            return httpx2.ConnectError(str(error.os_error))
        case aiohttp.ClientResponseError():
            said = error.message.split("\n\n  ^")[0]  # what is behind it points into the text
            return httpx2.RemoteProtocolError(f"the answer is no HTTP: {said}")
        case aiohttp.ClientPayloadError():
            return httpx2.RemoteProtocolError("the answer was cut off")
        case aiohttp.ServerDisconnectedError():
            return httpx2.RemoteProtocolError("the server closed the connection without an answer")
        case ValueError():
            return httpx2.LocalProtocolError(str(error))
    return httpx2.ReadError(str(error))


def _never_left(error: BaseException | None) -> bool:
    """Whether a request found its connection closed before the first byte of it was written.

    aiohttp writes head and body at once, so nothing has been sent.
    """
    while error is not None:
        if isinstance(error, aiohttp.ClientConnectionResetError):
            return "closing transport" in str(error)
        error = error.__cause__
    return False
