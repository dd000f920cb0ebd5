"""What Docker Compose makes of docker-compose.yml: each container's command and environment."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

from tests.support.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[2]

#: Stands for a dollar that begins no variable.
_DOLLAR = "\0"
_VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Z_]+)(?::(?P<rule>[-?])(?P<word>[^${}]*))?\})"
)


@dataclass(frozen=True)
class Container:
    """One container: what runs in it, and with which environment exactly."""

    name: str
    command: list[str]
    env: dict[str, str]
    aliases: list[str]


class Compose:
    """docker-compose.yml, with the ``.env`` that ``make .env`` writes beside it."""

    def __init__(self, folder: Path, **changes: str) -> None:
        """Make a ``.env`` in ``folder``, as in a fresh checkout, and make some changes to it."""
        (folder / "scripts").mkdir(parents=True)
        shutil.copy(ROOT / "scripts" / "make-env", folder / "scripts")
        shutil.copy(ROOT / ".env.example", folder)
        subprocess.run([folder / "scripts" / "make-env"], check=True, timeout=PATIENCE)
        self.dotenv = folder / ".env"
        self._given = {
            name: value or ""
            for name, value in dotenv_values(self.dotenv, interpolate=False).items()
        } | changes
        self._services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]

    def container(self, name: str) -> Container:
        service = self._services[name]
        env = {key: self._filled(value) for key, value in service.get("environment", {}).items()}
        if "env_file" in service:  # then it runs in our image
            env = {**_image(), **self._given, **env}
        aliases = service.get("networks", {}).get("default", {}).get("aliases", [])
        command = shlex.split(self._filled(service.get("command", "")))
        return Container(name, command, env, [name, *aliases])

    def _filled(self, value: object) -> str:
        """Put in the variables, the innermost first, as the compose specification says."""

        def fill(found: re.Match[str]) -> str:
            if found["dollar"]:
                return _DOLLAR
            given = self._given.get(found["name"], "")
            assert given or found["rule"] != "?", f"{found['name']} {found['word']}"
            return given or found["word"] or ""

        text = str(value)
        while (filled := _VARIABLE.sub(fill, text)) != text:
            text = filled
        return text.replace(_DOLLAR, "$")


def _image() -> dict[str, str]:
    """What our image sets, but for where its programs are."""
    block = (ROOT / "Dockerfile").read_text().rpartition("\nENV ")[2].partition("\nUSER")[0]
    pairs: dict[str, Any] = dict(re.findall(r"(\w+)=(\S+)", block))
    return {name: value for name, value in pairs.items() if name != "PATH"}
