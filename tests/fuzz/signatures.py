"""Signed requests that were spoiled, and whether each has to be believed all the same."""

from __future__ import annotations

import base64
import hashlib
import hmac
import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Final

from multidict import CIMultiDict

from orderbus.domain.signatures import verify
from orderbus.domain.webhooks import new_secret
from orderbus.errors import Unauthenticated

NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STAMP: Final = int(NOW.timestamp())
ODD: Final = "\0\t\n \xa0\u2028\u202eé٣,;=.+-_/\\\"'%\x7f" + string.ascii_letters + string.digits


@dataclass
class Signed:
    """A request and whether it has to be believed."""

    headers: dict[str, str]
    body: bytes
    signed_body: bytes
    headers_hold: bool = True

    @property
    def believed(self) -> bool:
        return self.headers_hold and self.body == self.signed_body


def signed(random: Random, plain: str, standard: str) -> Signed:
    """A request that was signed in one of the three schemes, and then perhaps spoiled."""
    case = _properly(random, plain, standard)
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        random.choice(_CHANGES)(random, case)
    return case


def _properly(random: Random, plain: str, standard: str) -> Signed:
    body = random.randbytes(random.choice((0, 1, 23, 200)))
    mac = hmac.digest(plain.encode(), body, hashlib.sha256)
    match random.randrange(3):
        case 0:
            return Signed({"X-Webhook-Signature": mac.hex()}, body, body)
        case 1:
            encoded = base64.b64encode(mac).decode()
            return Signed({"X-Shopify-Hmac-SHA256": encoded}, body, body)
    message_id = "msg_" + "".join(random.choices(string.ascii_letters, k=8))
    stamp = str(STAMP + random.randint(-299, 299))
    key = base64.b64decode(standard.removeprefix("whsec_"))
    mac = hmac.digest(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256)
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }
    return Signed(headers, body, body)


def _text(random: Random, most: int = 60) -> str:
    return "".join(random.choices(ODD, k=random.randrange(most)))


def _another_case(random: Random, case: Signed) -> None:
    change = random.choice((str.upper, str.lower, str.title))
    case.headers = {change(name): value for name, value in case.headers.items()}


def _tokens_beside(random: Random, case: Signed) -> None:
    for name, value in case.headers.items():
        if name.lower() == "webhook-signature":
            beside = random.choice(("v2,abc", "v1a,abc", "v1", "v1,", "v1,===", ",", "v1,é", "x"))
            case.headers[name] = random.choice((f"{beside} {value}", f"{value} {beside}"))


def _another_body(random: Random, case: Signed) -> None:
    place = random.randrange(len(case.body) + 1)
    byte = bytes([random.randrange(256)])
    case.body = case.body[:place] + byte + case.body[place + random.randrange(2) :]


def _another_value(random: Random, case: Signed) -> None:
    name = random.choice(list(case.headers))
    case.headers[name] = random.choice((_text(random), "", "0" * 64, "v1,", "-1", "1e9", "²"))
    case.headers_hold = False


def _longer_value(random: Random, case: Signed) -> None:
    name = random.choice(list(case.headers))
    if "signature" in name.lower() and "," in case.headers[name]:
        return  # a token beside, which is somebody else's
    before, after = _text(random, 3), _text(random, 3)
    if name.lower() == "x-webhook-signature" and before.lower() + after == "sha256=":
        return
    case.headers_hold = case.headers_hold and not before + after
    case.headers[name] = before + case.headers[name] + after


def _missing_header(random: Random, case: Signed) -> None:
    if len(case.headers) > 1:
        del case.headers[random.choice(list(case.headers))]
        case.headers_hold = False


def _stale(random: Random, case: Signed) -> None:
    for name in case.headers:
        if name.lower() == "webhook-timestamp":
            away = random.choice((-(10**10), -301 - 300, 301 + 300, 10**9, 10**30))
            case.headers[name] = str(STAMP + away)
            case.headers_hold = False


def _huge_value(random: Random, case: Signed) -> None:
    name = random.choice(list(case.headers))
    case.headers[name] = random.choice(("A", "v1,A= ", "9", "é", " ")) * random.choice(
        (5000, 20_000)
    )
    case.headers_hold = False


_CHANGES: Final[tuple[Callable[[Random, Signed], None], ...]] = (
    _another_case,
    _tokens_beside,
    _another_body,
    _another_body,
    _another_value,
    _another_value,
    _longer_value,
    _longer_value,
    _missing_header,
    _stale,
    _huge_value,
)


def verifier_is_never_surprised(cases: int, seed: int) -> tuple[int, int]:
    """See that the verifier says yes or one typed no, and the right one; counts both."""
    random = Random(seed)  # noqa: S311 - cases, not secrets
    plain, standard = "shared", new_secret()
    verdicts = [0, 0]
    for number in range(cases):
        case = signed(random, plain, standard)
        try:
            verify(CIMultiDict(case.headers), case.body, (plain, standard), now=NOW)
        except Unauthenticated:
            believed = False
        except Exception as error:
            error.add_note(f"seed {seed}, case {number}: {case!r:.2000}")
            raise
        else:
            believed = True
        assert believed == case.believed, f"seed {seed}, case {number}: {case!r:.2000}"
        verdicts[believed] += 1
    return verdicts[0], verdicts[1]
