"""How a setting is declared, and how times and lists are written in the environment."""

import re
from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated, Any, Final, TypeVar

from pydantic import AliasChoices, BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from orderbus.domain.addresses import Network

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


def _network(value: object) -> object:
    try:
        return ip_network(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f"{error}: write 10.0.0.0/8 or fd00::/8") from None


def _counted_in(unit: timedelta) -> BeforeValidator:
    def read(value: object) -> object:
        if isinstance(value, str | int):
            if not re.fullmatch("[0-9]{1,6}", str(value)):
                raise ValueError("is no whole number")
            return unit * int(value)
        return value

    return BeforeValidator(read)


T = TypeVar("T")
#: Several values, separated by commas.
Many = Annotated[tuple[T, ...], NoDecode, BeforeValidator(_split_commas)]
#: Reads a time in seconds, days or as ISO 8601 has it.
AS_TIME: Final = BeforeValidator(_plain_numbers_are_seconds)
Time = Annotated[timedelta, AS_TIME]
Minutes = Annotated[timedelta, _counted_in(timedelta(minutes=1))]
Days = Annotated[timedelta, _counted_in(timedelta(days=1))]
#: Networks as CIDR has them, separated by commas.
Networks = Many[Annotated[Network, BeforeValidator(_network)]]
