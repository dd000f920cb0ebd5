"""What commands about people share: finds them by name, and asks for a password.

That never stands on a command line, where others would see it.
"""

from __future__ import annotations

import sys

import click

from orderbus import storage
from orderbus.commands import terminal
from orderbus.domain import people
from orderbus.errors import Invalid, NotFound


def asked_for() -> str:
    """Ask a person twice, unseen; from a pipe, read its first line. Raises ``Invalid``."""
    if terminal.is_person():
        password: str = click.prompt(
            "Password", hide_input=True, confirmation_prompt=True, err=True
        )
        return password
    line = sys.stdin.readline(people.LONGEST_PASSWORD + 2).removesuffix("\n")
    if not line:
        raise Invalid("Give the password as the first line of standard input")
    return line


async def id_of(run: terminal.Run, username: str) -> int:
    """Find somebody by name. Raises ``NotFound``."""
    user = await run.database.ask(storage.users.find, username)
    if user is None:
        raise NotFound(f"Nobody is named {username}")
    return user.id
