"""A secret that stands in this repository is none, and must not go to production."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import pytest
import yaml
from pydantic import SecretStr

from orderbus.errors import Misconfigured
from orderbus.settings import INSECURE_SECRET_KEY, PUBLISHED, Settings, load
from tests.unit.test_check import checked

ROOT = Path(__file__).parents[2]


def secret_names() -> set[str]:
    """List every name under which a secret may be set."""
    return {
        str(name)
        for info in Settings.model_fields.values()
        if SecretStr in {info.annotation, *_within(info.annotation)}
        for name in getattr(info.validation_alias, "choices", ())
    } | {"POSTGRES_PASSWORD", "RABBITMQ_DEFAULT_PASS"}


def _within(annotation: Any) -> set[Any]:
    inner = get_args(annotation)
    return set(inner).union(*(_within(each) for each in inner)) if inner else set()


def published() -> dict[str, set[str]]:
    """Read which secrets the example files set, by the names they have there."""
    lines = re.findall(r"^([A-Z_]+)=(.+)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    for service in compose["services"].values():
        lines += [(name, str(value)) for name, value in service.get("environment", {}).items()]
    found: dict[str, set[str]] = {}
    for name, text in lines:
        if name in secret_names():
            # ${NAME:-default} gives its default away, ${NAME:?message} nothing.
            value = text
            while "${" in value:  # one may be the default of another
                value = re.sub(r"\$\{\w+(?::-([^{}]*)|[^{}]*)\}", r"\1", value)
            secret = (urlsplit(value).password or "") if "://" in value else value
            found.setdefault(name, set()).update({secret} - {""})
    return found


def test_every_secret_of_the_example_files_is_known_as_published() -> None:
    assert set().union(*published().values()) <= PUBLISHED


def test_nothing_is_taken_for_published_that_is_not() -> None:
    assert set().union(*published().values()) >= PUBLISHED - {INSECURE_SECRET_KEY}


@pytest.mark.parametrize("secret", sorted(PUBLISHED))
@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("SECRET_KEY", "{}"),
        ("WEBHOOK_SECRET", "{}"),
        ("WEBHOOK_SECRETS", "k" * 40 + ",{}"),
        ("DB_PASS", "{}"),
        ("RABBITMQ_URL", "amqps://orderbus:{}@mq.example.com/orders"),
    ],
)
def test_a_published_secret_must_not_go_to_production(
    monkeypatch: pytest.MonkeyPatch, name: str, pattern: str, secret: str
) -> None:
    alias = {"WEBHOOK_SECRET": ""} if name == "WEBHOOK_SECRETS" else {}
    changes = {**alias, "DEBUG": "true", name: pattern.format(secret)}

    code, found = checked(monkeypatch, "--deploy", **changes)

    subjects = {finding["subject"] for finding in found if finding["verdict"] == "fault"}
    assert ("WEBHOOK_SECRET" if alias else name) in subjects
    assert code == 1


@pytest.mark.parametrize("secret", sorted(PUBLISHED))
@pytest.mark.parametrize("field", ["secret_key", "webhook_secrets"])
def test_a_published_secret_is_taken_while_developing_and_nowhere_else(
    field: str, secret: str
) -> None:
    given = {"secret_key": "a key for tests", field: secret}
    load(_env_file=None, debug=True, **given)

    for auth in ("open", "required"):
        with pytest.raises(Misconfigured, match="published") as refused:
            load(_env_file=None, auth=auth, **given)
        assert secret not in str(refused.value)


@pytest.mark.parametrize("secret", sorted(PUBLISHED))
def test_a_published_secret_signs_no_webhook_anywhere(secret: str) -> None:
    with pytest.raises(Misconfigured, match="WEBHOOK_OUTGOING_SECRET") as refused:
        load(_env_file=None, debug=True, webhook_outgoing_secret=secret)
    assert secret not in str(refused.value)


@pytest.mark.parametrize(
    "network",
    [
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.1.0/24", "100.64.0.0/10", "fc00::/7"),
        *("8.0.0.0/5", "::ffff:10.0.0.0/104", "fe80::/10", "0.0.0.0/8"),
    ],
)
def test_private_networks_must_not_be_reached_from_production(
    monkeypatch: pytest.MonkeyPatch, network: str
) -> None:
    code, found = checked(monkeypatch, "--deploy", ORDERBUS_WEBHOOK_ALLOWED_NETWORKS=network)

    assert {(finding["subject"], finding["verdict"]) for finding in found} == {
        ("ORDERBUS_WEBHOOK_ALLOWED_NETWORKS", "fault")
    }
    assert code == 1


def test_a_public_network_is_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = "93.184.216.0/24,2606:2800:220::/48"

    assert checked(monkeypatch, "--deploy", ORDERBUS_WEBHOOK_ALLOWED_NETWORKS=networks) == (0, [])
