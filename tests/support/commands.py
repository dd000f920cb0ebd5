"""Commands as an operator types them, in this process."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from click.testing import CliRunner, Result

from orderbus.commands.cli import main

#: What every command needs, and webhooks to this machine.
GIVEN = {
    "SECRET_KEY": "a key for tests",
    "ORDERBUS_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
}


async def typed(env: dict[str, str], *arguments: object) -> Result:
    """Type a command; returns what came of it."""
    words = [str(argument) for argument in arguments]
    return await asyncio.to_thread(CliRunner().invoke, main, words, env={**GIVEN, **env})


async def answered(env: dict[str, str], *arguments: object) -> Any:
    """Type a command with --json, which has to end well; returns what it answered."""
    done = await typed(env, *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)
