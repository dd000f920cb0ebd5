"""Settings made of what a test gives alone, and what is said of those that are refused."""

from __future__ import annotations

from typing import Any

import pytest

from orderbus.errors import Misconfigured
from orderbus.settings import Settings, load


def forget_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every setting out of the environment."""
    for info in Settings.model_fields.values():
        for name in getattr(info.validation_alias, "choices", ()):
            monkeypatch.delenv(str(name), raising=False)


def settings(**changes: Any) -> Settings:
    return load(_env_file=None, **{"secret_key": "a key for tests", **changes})


def refusal(**changes: Any) -> str:
    with pytest.raises(Misconfigured) as refused:
        settings(**changes)
    return str(refused.value)
