"""Who may ask the page's server for anything, and what a browser may do with its answers.

Covers: other users and programs of this machine (the token), other sites open in the same browser
(the token travels in a header that they cannot set, and Origin must be ours), names that were made
to point here (the Host header), texts that would run (the policy; besides, the page never takes
text for markup), and being framed.

Not covered: whoever may read this user's terminal or memory; the network between browser and
server when --host names an address of a network, since there is no encryption.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Own scripts and styles only, no markup from text, nobody else asked for anything."""
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_TOKEN_BYTES = 24


def new_token() -> str:
    """A secret nobody guesses, that fits in an address."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


class Guard:
    """Lets a request through if its Host and Origin are ours and, below /api/, it has the token.

    Args:
        host: The address that is served, beside this machine's own names.
    """

    def __init__(self, app: ASGIApp, *, token: str, host: str) -> None:
        self._app = app
        self._token = f"Bearer {token}".encode()
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(f"//{hosts[0]}"):
            return PlainTextResponse("this server answers to its own address only", 421)
        origin = headers.get("origin")
        if origin not in (None, f"http://{hosts[0]}", f"https://{hosts[0]}"):
            return PlainTextResponse("asked from another site", 403)
        if scope["path"].startswith("/api/"):
            given = headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, self._token):
                return PlainTextResponse("open the address that `evolve ui` printed", 401)
        return None

    def _is_ours(self, address: str) -> bool:
        try:
            name = urlsplit(address).hostname
        except ValueError:
            return False
        # any port: a tunnel to here may end at another one
        return name is not None and (name == self._host or is_loopback(name))


def is_loopback(name: str) -> bool:
    """Whether a host name or address means this machine whoever resolves it."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
