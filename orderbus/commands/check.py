"""``orderbus check``: whether the settings agree, and may go to production."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, urlsplit

import click
from pydantic import SecretStr

from orderbus import settings as settings_module
from orderbus.commands import terminal
from orderbus.commands.findings import Finding, fault, ok, report, warning
from orderbus.domain.addresses import is_loopback, is_private
from orderbus.settings import published

#: Characters of a secret below which it can be guessed.
_SHORT: Final = 16
_KEY_SHORT: Final = 32
#: Where clouds keep the credentials of a machine.
_METADATA: Final = (ipaddress.ip_address("169.254.169.254"), ipaddress.ip_address("fd00:ec2::254"))
_FEWER: Final = "unset it: an endpoint of production has a public address"
_PUBLISHED: Final = "is published with orderbus: everybody knows it"
_RANDOM: Final = "python -c 'import secrets; print(secrets.token_urlsafe(32))'"


@click.command()
@click.option("--deploy", is_flag=True, help="Refuse what must not go to production, too.")
@terminal.as_json
def check(*, deploy: bool, as_json: bool) -> None:
    """Check the settings alone. Exits 1 if they must not go to production."""

    def run() -> None:
        settings = settings_module.load()
        findings = [ok("settings", "read and in agreement")]
        if deploy:
            findings += [finding for each in _CHECKS for finding in each(settings)]
        report(findings, as_json=as_json)

    terminal.with_exit_code(run)


def _development(settings: settings_module.Settings) -> Iterator[Finding]:
    if settings.debug:
        yield fault("DEBUG", "is on: it accepts the development SECRET_KEY", "unset DEBUG")
    if settings.log_level == "DEBUG":
        yield warning("LOG_LEVEL", "is DEBUG: logs will grow fast", "set LOG_LEVEL=INFO")


def _keys(settings: settings_module.Settings) -> Iterator[Finding]:
    if published.is_published(settings.secret_key):
        yield fault("SECRET_KEY", _PUBLISHED, _RANDOM)
    elif len(settings.secret_key.get_secret_value()) < _KEY_SHORT:
        yield fault("SECRET_KEY", f"is shorter than {_KEY_SHORT} characters", _RANDOM)


def _callers(settings: settings_module.Settings) -> Iterator[Finding]:
    if settings.is_open:
        yield fault(
            "AUTH",
            "is open: every process of the machine may place and read orders unsigned",
            "set AUTH=required and WEBHOOK_SECRET",
        )
    if not settings.webhook_secrets:
        yield fault("WEBHOOK_SECRET", "is not set: nobody could tell who sends an order", _RANDOM)
    if any(published.is_published(secret) for secret in settings.webhook_secrets):
        yield fault("WEBHOOK_SECRET", _PUBLISHED, _RANDOM)
    if any(len(secret.get_secret_value()) < _SHORT for secret in settings.webhook_secrets):
        yield fault("WEBHOOK_SECRET", f"holds one shorter than {_SHORT} characters", _RANDOM)
    if "*" in settings.allowed_hosts:
        yield fault("ALLOWED_HOSTS", "allows every Host header", "name the hosts you serve")
    elif all(is_loopback(host) for host in settings.allowed_hosts):
        found = "allows this machine's own names alone: callers from elsewhere are refused"
        yield warning("ALLOWED_HOSTS", found, "name the hosts you serve")


def _dependencies(settings: settings_module.Settings) -> Iterator[Finding]:
    if _is_known(settings.db_pass) and not settings.db_host.startswith("/"):
        found = "is empty, or published with orderbus"
        yield fault("DB_PASS", found, "give the database user a password")
    if settings.queues_in_memory:
        yield fault(
            "RABBITMQ_URL",
            "keeps the queues in the one worker: it cannot be scaled or watched",
            "set RABBITMQ_URL=amqps://user:password@host/vhost",
        )
    else:
        url = urlsplit(settings.rabbitmq_url.get_secret_value())
        user, password = unquote(url.username or ""), unquote(url.password or "")
        if user in {"", "guest"} or password in {"", *published.PUBLISHED}:
            found = "names the user guest or nobody, or a password that is empty or known to all"
            yield fault("RABBITMQ_URL", found, "rabbitmqctl add_user orderbus")
        if url.scheme == "amqp" and not is_loopback(url.hostname or ""):
            found = "sends its password in the clear to another machine"
            yield warning("RABBITMQ_URL", found, "use amqps://, or a network that is yours alone")
    if settings.pubsub_emulator_host:
        yield fault(
            "PUBSUB_EMULATOR_HOST",
            "names an emulator, which forgets everything when it ends",
            "unset it and set GOOGLE_APPLICATION_CREDENTIALS",
        )


def _roles(settings: settings_module.Settings) -> Iterator[Finding]:
    if not settings.has_two_roles:
        found = (
            "names no other role than DB_USER here: what runs could change the audit trail, and "
            "drop tables"
        )
        todo = "give both a role each, and check with the settings that migrate has"
        yield fault("DB_OWNER_USER", found, todo)
    elif not settings.db_host.startswith("/") and _is_known(settings.db_owner_password):
        found = "is empty, or published with orderbus"
        yield fault("DB_OWNER_PASSWORD", found, "give the owner of the schemas a password")


def _is_known(secret: SecretStr | None) -> bool:
    return secret is None or secret.get_secret_value() in {"", *published.PUBLISHED}


def _webhooks(settings: settings_module.Settings) -> Iterator[Finding]:
    subject = "ORDERBUS_WEBHOOK_ALLOWED_NETWORKS"
    networks = settings.webhook_allowed_networks
    if any(address in network for network in networks for address in _METADATA):
        found = "lets an endpoint's URL reach the credentials of the machine (metadata service)"
        yield fault(subject, found, _FEWER)
    elif any(network.is_loopback or network.prefixlen == 0 for network in networks):
        found = "lets an endpoint's URL reach this machine itself"
        yield fault(subject, found, _FEWER)
    elif private := [str(network) for network in networks if is_private(network)]:
        found = f"lets an endpoint's URL reach private networks: {', '.join(private)}"
        yield fault(subject, found, _FEWER)
    target = settings.webhook_outgoing_url
    if target and not target.lower().startswith("https://"):
        found = "is not https: anyone on the way can read the orders"
        yield fault("WEBHOOK_OUTGOING_URL", found, "use an https:// URL")
    if target and settings.webhook_outgoing_secret is None:
        found = "is not set: the secret is made up and only in the database"
        todo = "set it, or read it with: orderbus endpoints secret ID"
        yield warning("WEBHOOK_OUTGOING_SECRET", found, todo)


def _watched(settings: settings_module.Settings) -> Iterator[Finding]:
    if 0 in {settings.worker_metrics_port, settings.bridge_metrics_port}:
        found = "worker or bridge cannot be watched"
        todo = "set ORDERBUS_WORKER_METRICS_PORT and ORDERBUS_BRIDGE_METRICS_PORT"
        yield warning("metrics ports", found, todo)


_CHECKS: Final = (_development, _keys, _callers, _dependencies, _roles, _webhooks, _watched)
