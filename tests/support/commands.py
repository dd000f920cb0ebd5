"""Commands as an operator types them, in this process or in one of their own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
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


async def answered_apart(env: dict[str, str], *arguments: object) -> Any:
    """The same in a process of its own: what this one logs meanwhile is not in the answer."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orderbus", *(str(argument) for argument in arguments), "--json"),
        env={**os.environ, **GIVEN, **env},
        stdout=subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(said)
