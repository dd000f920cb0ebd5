"""A container's secrets are known to those who may ask Docker, and to nobody else."""

from __future__ import annotations

import pytest

from orderbus.devtools.docker import container


@pytest.mark.parametrize(
    ("part", "setting"), [("PostgreSQL", "DB_PASS"), ("RabbitMQ", "RABBIT_PASS")]
)
def test_a_containers_password_is_its_own_and_not_in_the_list_of_processes(
    part: str, setting: str
) -> None:
    one, two = container(part), container(part)
    password = one.named[setting]

    assert password in one.given.values()
    assert len(password) > 16
    assert password != two.named[setting]
    assert not [word for word in one.run(dict.fromkeys(one.ports, 1)) if password in word]


def test_rabbitmqs_container_admits_no_guest() -> None:
    made = container("RabbitMQ")

    assert made.given["RABBITMQ_DEFAULT_USER"] == made.named["RABBIT_USER"] == "orderbus"
    assert "guest" not in made.named["RABBITMQ_URL"]
    assert made.named["RABBITMQ_URL"].format(amqp=5) == (
        f"amqp://orderbus:{made.given['RABBITMQ_DEFAULT_PASS']}@127.0.0.1:5/"
    )
