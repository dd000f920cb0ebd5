"""A test of the unit floor that needed a part, or another machine, would fail."""

from __future__ import annotations

import socket
import subprocess

import pytest


@pytest.mark.parametrize("address", [("127.0.0.1", 5432), ("localhost", 5672), ("192.0.2.1", 80)])
def test_a_unit_test_connects_to_no_part_and_to_no_other_machine(
    reached_for: list[str], address: tuple[str, int]
) -> None:
    with socket.socket() as client, pytest.raises(AssertionError):
        client.connect(address)

    assert reached_for.pop() == f"connects to {address[0]}:{address[1]}"


@pytest.mark.parametrize("program", ["postgres", "rabbitmq-server", "java"])
def test_a_unit_test_starts_no_part(reached_for: list[str], program: str) -> None:
    with pytest.raises(AssertionError):
        subprocess.run([program, "--nothing"], check=False)

    assert reached_for.pop() == f"starts {program}"


@pytest.mark.parametrize("asked", ["parts", "part_env", "env", "database"])
def test_a_unit_test_is_given_no_part(request: pytest.FixtureRequest, asked: str) -> None:
    with pytest.raises(AssertionError, match="asks for a part"):
        request.getfixturevalue(asked)


def test_what_a_test_starts_itself_on_this_machine_is_its_own_affair() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        assert client.connect_ex(server.getsockname()) == 0
