"""Where the web server listens, and who may call it."""

import re
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import SecretStr, StringConstraints, field_validator

from orderbus.settings.published import INSECURE_SECRET_KEY
from orderbus.settings.types import Days, Many, Minutes, Networks, Section, Time, setting

_ORIGIN: Final = re.compile(r"https?://[^/\s@*?#]+")
_OWN_PORT: Final = re.compile(r"^(http(?=:.*:80$)|https(?=:.*:443$))(.*):[0-9]+$")


class Web(Section):
    """Secrets, hosts and origins; address, port and limit."""

    secret_key: SecretStr = setting(SecretStr(INSECURE_SECRET_KEY), "SECRET_KEY")
    """Keys the hashes of API keys, and signs tokens. Must be set unless DEBUG is."""
    debug: bool = setting(False, "DEBUG")
    """Logs for people instead of JSON lines, and the development SECRET_KEY is accepted."""
    allowed_hosts: Many[Annotated[str, StringConstraints(to_lower=True)]] = setting(
        ("localhost", "127.0.0.1", "[::1]"), "ALLOWED_HOSTS"
    )
    """Host headers the web server answers to, comma-separated; ``*`` for any."""
    webhook_secrets: Many[SecretStr] = setting((), "WEBHOOK_SECRET", "WEBHOOK_SECRETS")
    """Secrets that sign incoming orders, comma-separated; any of them is accepted."""
    ingress_on_conflict: Literal["refuse", "accept"] = setting("refuse", "INGRESS_ON_CONFLICT")
    """refuse: another content under an order's reference is answered 409. accept: it is answered
    200, for senders that would send it for ever. Either way the first is kept, and the conflict
    noted in its history."""
    webhook_allocate: bool = setting(False, "WEBHOOK_ALLOCATE")
    """Whether a signed order that names products of the catalogue takes them out of stock, or is
    refused where there are too few; what is no product is ordered as ever."""
    price_policy: Literal["trust", "strict"] = setting("trust", "PRICE_POLICY")
    """trust: an order of the shop (/api/orders/) costs what its client says, and where the
    catalogue has another price, that is noted in its history. strict: it is refused."""
    cart_reservation_ttl: Time = setting(
        timedelta(minutes=15), "CART_RESERVATION_TTL", gt=timedelta(0), le=timedelta(days=7)
    )
    """How long an open cart holds its items in stock, from the last change of it on."""
    product_cache_ttl: Time = setting(
        timedelta(seconds=10), "PRODUCT_CACHE_TTL", ge=timedelta(0), le=timedelta(minutes=10)
    )
    """How long the web server shows a copy of a product, or of a page of them, at most; what
    changed it shows within half a second. 0 keeps none."""
    auth: Literal["open", "required"] = setting("required", "AUTH")
    """required: orders are signed, everything else takes an API key. open: who comes from this
    machine, directly, needs neither; only while the web server is bound to loopback."""
    open_on_loopback: bool | None = setting(None, "ORDERBUS_OPEN_ON_LOOPBACK")
    """Older name of AUTH: true is open, false is required. Where both are set, they agree."""
    allowed_origins: Many[str] = setting((), "ORDERBUS_ALLOWED_ORIGINS")
    """Pages elsewhere that may change things without an API key while AUTH is open, as their
    origins, comma-separated: https://shop.example.com."""
    access_token_lifetime: Minutes = setting(
        timedelta(minutes=20), "ACCESS_TOKEN_LIFETIME_IN_MINUTES", gt=timedelta(0)
    )
    """Minutes for which somebody who signed in need not show their refresh token."""
    refresh_token_lifetime: Days = setting(
        timedelta(days=30), "REFRESH_TOKEN_LIFETIME_IN_DAYS", gt=timedelta(0)
    )
    """Days after which somebody who did nothing meanwhile has to sign in again."""
    trusted_proxies: Networks = setting((), "ORDERBUS_TRUSTED_PROXIES")
    """Networks (CIDR, comma-separated) of proxies that say truly whom they speak for: sign-ins in
    vain are counted by that address, and links begin with that scheme."""
    web_host: str = setting("127.0.0.1", "ORDERBUS_WEB_HOST")
    """Address the web server binds to."""
    web_port: int = setting(8000, "ORDERBUS_WEB_PORT", ge=0, le=65535)
    """Port the web server binds to; 0 takes any free one."""
    max_body: int = setting(1_048_576, "ORDERBUS_MAX_BODY", ge=1024)
    """Bytes an incoming request may hold."""

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        origins = tuple(origin.rstrip("/").lower() for origin in value)
        if not all(_ORIGIN.fullmatch(origin) for origin in origins):
            message = "holds what is no origin: write https://shop.example, or with its port :8443"
            raise ValueError(message)
        # Browsers leave out the port that a scheme has by itself.
        return tuple(_OWN_PORT.sub(r"\1\2", origin) for origin in origins)

    @property
    def is_open(self) -> bool:
        """Whether who comes from this machine, directly, needs no signature and no API key."""
        if "auth" in self.model_fields_set:
            return self.auth == "open"
        return bool(self.open_on_loopback)
