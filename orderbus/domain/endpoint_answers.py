"""What an answer of an endpoint means, in words, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from orderbus.domain.webhooks import EndpointResponse


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of one exchange: whether it counts as delivered, what it means, what to do."""

    delivered: bool
    meaning: str
    todo: str


_SET_URL: Final = "orderbus endpoints set-url ID URL"
_BY_ERROR: Final = {
    "dns": ("there is no such name", f"check the host's name; {_SET_URL}"),
    "dns_temporary": ("the name could not be looked up just now", "check this machine's resolver"),
    "refused_address": (
        "webhooks may not be sent to this address, which is not public",
        "if it is yours, add its network to ORDERBUS_WEBHOOK_ALLOWED_NETWORKS; or use another URL",
    ),
    "connect": (
        "nothing takes connections there, or a firewall is between",
        "see that the receiver runs and can be reached from here",
    ),
    "tls": (
        "its certificate is not valid for this name, or nobody trusted here signed it",
        "renew the certificate; SSL_CERT_FILE names further authorities",
    ),
    "timeout": (
        "no whole answer came within ORDERBUS_WEBHOOK_TIMEOUT",
        "have the receiver answer first and work later",
    ),
    "protocol": ("what came back is no whole HTTP answer", "look at the receiver's log"),
    "stalled": ("this machine stood still meanwhile", "try again"),
}
_AGAIN: Final = "webhooks like this are tried again for three days"
_BODY: Final = ("it does not take such a body", "compare --format with what the receiver reads")
_SIGNED: Final = (
    "it does not believe the signature, or wants a header",
    "compare its secret with `orderbus endpoints secret ID`; "
    "orderbus endpoints set-headers ID --header 'Name: value'",
)
_BY_STATUS: Final = {
    400: _BODY,
    401: _SIGNED,
    403: _SIGNED,
    404: ("it has nothing at this path", _SET_URL),
    405: ("it takes no POST at this path", _SET_URL),
    410: (
        "it wants no webhooks any more: the first real one answered so disables it",
        f"ask its owner; {_SET_URL}",
    ),
    413: ("the body is too large for it", "have the receiver take larger bodies"),
    415: ("it does not take JSON", "have the receiver take application/json"),
    422: _BODY,
    429: ("it has too much to do", f"nothing: {_AGAIN}"),
}


def judge(response: EndpointResponse) -> Judgement:
    """Say in words what came of an exchange."""
    if response.error is not None:
        meaning, todo = _BY_ERROR.get(response.error, _BY_ERROR["protocol"])
        return Judgement(delivered=False, meaning=meaning, todo=todo)
    status = response.status or 0
    if 200 <= status <= 299:  # noqa: PLR2004
        return Judgement(delivered=True, meaning="it takes webhooks", todo="nothing")
    if 300 <= status <= 399:  # noqa: PLR2004
        meaning, todo = "it sends us elsewhere, and redirects are not followed", _SET_URL
    elif status >= 500:  # noqa: PLR2004
        meaning, todo = "the receiver failed", f"look at its log; {_AGAIN}"
    else:
        meaning, todo = "it refuses the webhook", f"look at its log; {_AGAIN}"
    meaning, todo = _BY_STATUS.get(status, (meaning, todo))
    return Judgement(delivered=False, meaning=meaning, todo=todo)
