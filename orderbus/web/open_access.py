"""Who may do without a signature or an API key where AUTH is open.

The address the server is bound to is not enough: a proxy on this machine brings in everybody, and a
page in a browser on this machine sends what its author likes.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from orderbus.domain.addresses import is_loopback
from orderbus.errors import Forbidden, Unauthenticated
from orderbus.web.app_keys import SETTINGS

#: How the history names who comes in this way.
CALLER: Final = "loopback"
NO_KEY: Final = "The API key is missing: send Authorization: Bearer KEY"

_SAFE: Final = {"GET", "HEAD", "OPTIONS"}
#: What a browser says of a request of our own page, or of its user.
_OWN_SITES: Final = {"same-origin", "none"}
#: Headers in which proxies say for whom they speak; so does every one that begins as the last.
_PROXY: Final = {"forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip"}
_PROXY_PREFIXES: Final = ("x-forwarded-", "cf-connecting-")


def host_name(request: web.BaseRequest) -> str:
    """Read the name a request was sent to, in small letters and without the port."""
    host = request.headers.get("Host", "").lower()
    name, _, port = host.rpartition(":")
    return name if port.isdigit() and name else host


def admit(request: web.Request) -> str:
    """Let a request in that shows neither signature nor key; returns who it is.

    Raises ``Unauthenticated`` where it needs one, ``Forbidden`` where somebody else's page makes a
    browser on this machine change something.
    """
    why_not = _why_not(request)
    if why_not:
        raise Unauthenticated(why_not)
    if request.method not in _SAFE and _is_foreign(request):
        raise Forbidden(
            "A page of another origin may change nothing here without an API key: "
            "add its origin to ORDERBUS_ALLOWED_ORIGINS, or send a key"
        )
    return CALLER


def _why_not(request: web.Request) -> str:
    if not request.app[SETTINGS].is_open:
        return NO_KEY
    for name in request.headers:
        small = name.lower()
        if small in _PROXY or small.startswith(_PROXY_PREFIXES):
            return f"AUTH=open does not hold through a proxy ({name}): sign it, or send an API key"
    if not is_loopback(request.remote or "") or not is_loopback(host_name(request)):
        return "AUTH=open holds for this machine under its own name: sign it, or send an API key"
    return ""


def _is_foreign(request: web.Request) -> bool:
    """Whether a browser sent this for a page that is neither ours nor allowed.

    A browser says where a page comes from in ``Origin`` (RFC 6454) or, lacking that, in
    ``Sec-Fetch-Site`` (W3C Fetch Metadata). Programs send neither.
    """
    origins = {origin.lower() for origin in request.headers.getall("Origin", ())}
    if origins and origins <= set(request.app[SETTINGS].allowed_origins):
        return False
    own = request.headers.get("Host", "").lower()
    sites = set(request.headers.getall("Sec-Fetch-Site", ()))
    return not (origins <= {f"http://{own}", f"https://{own}"} and sites <= _OWN_SITES)
