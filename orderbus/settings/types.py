"""How a setting is declared, and how times and lists are written in the environment."""

import re
from datetime import timedelta
from typing import Annotated, Any, Final, TypeVar

from pydantic import AliasChoices, BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_SECONDS: Final = re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)")
_TIME: Final = TypeAdapter(timedelta)


class Section(BaseSettings):
    """The settings of one subject, checked one by one."""

    model_config = SettingsConfigDict(
        frozen=True, env_file=".env", extra="ignore", populate_by_name=True, env_ignore_empty=True
    )


def setting(default: object, *names: str, **limits: Any) -> Any:  # noqa: ANN401 - as pydantic's Field
    """Declare a setting by its names in the environment, the first of which is the usual one."""
    return Field(default, validation_alias=AliasChoices(*names), **limits)


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


def _plain_numbers_are_seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        if _SECONDS.fullmatch(value):
            return timedelta(seconds=float(value))
        return _TIME.validate_python(value)
    except (OverflowError, ValidationError):
        raise ValueError("is no time: write seconds (90), days (35d) or ISO 8601 (PT90S)") from None


T = TypeVar("T")
#: Several values, separated by commas.
Many = Annotated[tuple[T, ...], NoDecode, BeforeValidator(_split_commas)]
#: Reads a time in seconds, days or as ISO 8601 has it.
AS_TIME: Final = BeforeValidator(_plain_numbers_are_seconds)
Time = Annotated[timedelta, AS_TIME]
