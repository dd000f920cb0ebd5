"""What may be an endpoint: where webhooks may be sent, and which secrets sign them."""

from __future__ import annotations

import base64

import pytest

from orderbus.domain import webhooks
from orderbus.errors import Invalid

URLS = (
    "https://shop.example/hooks",
    "http://127.0.0.1:9000/hooks?a=b",
    "https://[2606:4700::1]/",
    "HTTPS://shop.example",
    "https://shop.example./hooks",
    "http://request_catcher:8080/",
    "http://3com/",
    "https://shop.example/a%2Fb;c=d?sig=a%2Fb%3D!$&'()*+,;=:@/?[]~",
)


NO_URLS = {
    "empty": "",
    "no scheme": "shop.example/hooks",
    "another scheme": "ftp://shop.example/",
    "a file": "file:///etc/hostname",
    "no host": "https:///hooks",
    "only a port": "https://:443/",
    "port zero": "https://shop.example:0/",
    "a port that is none": "https://shop.example:http/",
    "a port beyond the last": "https://shop.example:65536/",
    "a user": "https://user@shop.example/",
    "a user and a password": "https://user:pass@shop.example/",
    "an empty user": "https://@shop.example/",
    "a fragment": "https://shop.example/#top",
    "a space": "https://shop.example/a b",
    "a leading space": " https://shop.example/",
    "a line end": "https://shop.example/\r\nHost: other",
    "NUL": "https://shop.example/\x00",
    "non-ASCII": "https://shöp.example/",
    "an open bracket": "https://[::1/",
    "brackets around no address": "https://[shop]/",
    "an address with a zone": "https://[fe80::1%25eth0]/",
    "an address as one number": "https://2130706433/",
    "an address in hex": "https://0x7f.0.0.1/",
    "an address in hex behind": "https://127.0.0.0x1/",
    "an address in octal": "https://0177.0.0.1/",
    "an address cut short": "https://127.1/",
    "an address with a dot behind": "https://127.0.0.1./",
    "an address with a part too many": "https://1.2.3.4.5/",
    "an escape in the host": "https://%73hop.example/",
    "an empty label": "https://shop..example/",
    "only a dot": "https://./",
    "a label of 64 letters": "https://" + "a" * 64 + ".example/",
    "a name of 254 letters": "https://" + "a." * 124 + "123456x/",
    "a label with a hyphen before": "https://-shop.example/",
    "a backslash": "https://shop.example\\hooks",
    "a brace": "https://shop.example/{id}",
    "a quote": 'https://shop.example/"',
    "a tab": "https://shop.example/\thooks",
}


@pytest.mark.parametrize("url", URLS)
def test_webhooks_can_be_sent_to_a_plain_url(url: str) -> None:
    webhooks.check_url(url)


@pytest.mark.parametrize("url", NO_URLS.values(), ids=NO_URLS)
def test_webhooks_cannot_be_sent_to_any_other_url(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        webhooks.check_url(url)

    assert refused.value.faults[0].pointer == "/url"


def whsec(length: int) -> str:
    return "whsec_" + base64.b64encode(b"k" * length).decode()


NO_SECRETS = {
    "empty": "",
    "only the prefix": "whsec_",
    "no prefix": whsec(32).removeprefix("whsec_"),
    "another prefix": whsec(32).replace("whsec", "whpk"),
    "23 bytes": whsec(23),
    "65 bytes": whsec(65),
    "bad base64": "whsec_" + "%" * 44,
    "no padding": whsec(32).rstrip("="),
    "base64 for URLs": "whsec_" + base64.urlsafe_b64encode(b"\xff" * 24).decode(),
    "a line end": whsec(24) + "\n",
    "non-ASCII": whsec(24)[:-1] + "ä",
}


@pytest.mark.parametrize(
    "secret",
    [whsec(24), whsec(32), whsec(64), pytest.param(webhooks.new_secret(), id="a new one")],
)
def test_a_secret_is_24_to_64_bytes(secret: str) -> None:
    webhooks.check_secret(secret)


@pytest.mark.parametrize("secret", NO_SECRETS.values(), ids=NO_SECRETS)
def test_any_other_secret_is_refused_and_never_repeated(secret: str) -> None:
    with pytest.raises(Invalid) as refused:
        webhooks.check_secret(secret)

    assert refused.value.faults[0].pointer == "/secret"
    assert len(secret) < 10 or secret not in str(refused.value)
