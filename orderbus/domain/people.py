"""People as they may be named, and the passwords that they may choose.

What is wrong is said in the words of Django and its REST framework, which clients of the shop know.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from orderbus.domain.orders import faults
from orderbus.domain.text import storable
from orderbus.errors import Fault, Invalid

LONGEST_NAME: Final = 150
LONGEST_EMAIL: Final = 254
SHORTEST_PASSWORD: Final = 8
#: Argon2 takes any length; what is longer is nobody's password.
LONGEST_PASSWORD: Final = 1024
_FEWEST_CHARACTERS: Final = 3
#: A name that is shorter may be in anybody's password.
_SHORTEST_LIKENESS: Final = 3
_USERNAME: Final = re.compile(r"[\w.@+-]+")
_EMAIL: Final = re.compile(r"[^@\s\"(),:;<>\[\]\\]+@[^@\s.]+(\.[^@\s.]+)+")
#: The most common ones that no other rule refuses.
_COMMON: Final = frozenset(
    {
        *("password", "password1", "password12", "password123", "passw0rd", "p@ssw0rd"),
        *("p@ssword", "qwertyui", "qwertyuiop", "qwerty12", "qwerty123", "1q2w3e4r"),
        *("1qaz2wsx", "1qazxsw2", "q1w2e3r4", "zaq12wsx", "abcd1234", "abc12345", "asdfghjkl"),
        *("asdf1234", "a1b2c3d4", "iloveyou", "iloveyou1", "sunshine", "princess", "football"),
        *("baseball", "superman", "starwars", "trustno1", "whatever", "letmein1", "welcome1"),
        *("welcome123", "changeme", "changeme1", "admin123", "administrator", "jennifer"),
        *("michelle", "computer", "internet", "corvette", "mercedes", "maverick", "midnight"),
    }
)

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who somebody is, as they say themselves; an e-mail that is none is None."""

    username: str
    email: str | None = None
    first_name: str = ""
    last_name: str = ""


def _refuse(code: str, sentence: str) -> PydanticCustomError:
    return PydanticCustomError(code, sentence)


def _text(longest: int, *, may_be_blank: bool = False, trims: bool = True) -> BeforeValidator:
    def read(value: object) -> str:
        if value is None:
            raise _refuse("null", "This field may not be null.")
        if not isinstance(value, str) or storable(value) != value:
            raise _refuse("invalid", "Not a valid string.")
        text = value.strip() if trims else value
        if not text and not may_be_blank:
            raise _refuse("blank", "This field may not be blank.")
        if len(text) > longest:
            sentence = f"Ensure this field has no more than {longest} characters."
            raise _refuse("max_length", sentence)
        return text

    return BeforeValidator(read)


def _username(value: str) -> str:
    name = unicodedata.normalize("NFKC", value)
    if not _USERNAME.fullmatch(name) or len(name) > LONGEST_NAME:
        sentence = (
            "Enter a valid username. This value may contain only letters, numbers, "
            "and @/./+/-/_ characters."
        )
        raise _refuse("invalid", sentence)
    return name


def _email(value: str) -> str:
    if value and not (_EMAIL.fullmatch(value) and value.isprintable()):
        raise _refuse("invalid", "Enter a valid email address.")
    return value


# Pydantic asks the last validator first.
Username = Annotated[str, BeforeValidator(_username), _text(LONGEST_NAME)]
Email = Annotated[str, BeforeValidator(_email), _text(LONGEST_EMAIL)]
EmailOrNone = Annotated[str, BeforeValidator(_email), _text(LONGEST_EMAIL, may_be_blank=True)]
Name = Annotated[str, _text(LONGEST_NAME, may_be_blank=True)]
Secret = Annotated[
    str, _text(LONGEST_PASSWORD, trims=False), Field(json_schema_extra={"format": "password"})
]
Token = Annotated[str, _text(8192)]


class _Given(BaseModel):
    """Members that are not named are passed over, as clients of the shop expect."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Registration(_Given):
    """Who registers, with a password that was typed twice."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "username": "jane",
                "email": "jane@example.com",
                "password": "correct horse",
                "password2": "correct horse",
            }
        }
    )

    username: Username
    email: Email
    password: Secret
    password2: Secret

    def person(self) -> Person:
        """Say who that is."""
        return Person(username=self.username, email=self.email)


class CustomerChange(_Given):
    """What is to be another way of a customer; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"example": {"first_name": "Jane"}})

    username: Username | None = None
    email: EmailOrNone | None = None
    first_name: Name | None = None
    last_name: Name | None = None

    def of(self, was: Person) -> Person:
        """Say who somebody is from now on, who was somebody before."""
        email = was.email if self.email is None else self.email or None
        return Person(
            username=self.username or was.username,
            email=email,
            first_name=was.first_name if self.first_name is None else self.first_name,
            last_name=was.last_name if self.last_name is None else self.last_name,
        )


class NewCustomer(CustomerChange):
    """A customer as a whole: the name has to be there. A password is taken where it is added."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"username": "jane", "email": "jane@example.com"}}
    )

    username: Username
    password: Secret | None = None


def read(model: type[Model], members: Mapping[str, Any]) -> Model:
    """Make a model of what was sent; raises ``Invalid`` with what is wrong with each field."""
    try:
        return model.model_validate(members)
    except ValidationError as error:
        raise wrong(faults(error)) from None


def wrong(found: list[Fault]) -> Invalid:
    """Say what is wrong; the first fault stands in the sentence."""
    field = found[0].pointer.removeprefix("/")
    return Invalid(f"The request is not valid: {field}: {found[0].detail}", found)


def taken(field: str) -> Invalid:
    """Say that a name or an e-mail is somebody else's."""
    sentences = {
        "username": "A user with that username already exists.",
        "email": "This field must be unique.",
    }
    return wrong([Fault(f"/{field}", "unique", sentences[field])])


def check_password(password: str, person: Person, *, field: str = "password") -> None:
    """Pass a password that nobody guesses at once; raises ``Invalid`` with all that is wrong."""
    if found := [Fault(f"/{field}", "password", why) for why in _why_not(password, person)]:
        raise wrong(found)


def _why_not(password: str, person: Person) -> Iterator[str]:
    small = password.casefold()
    own = {
        "username": person.username,
        "first name": person.first_name,
        "last name": person.last_name,
        "email address": (person.email or "").partition("@")[0],
    }
    for name, value in own.items():
        if (
            len(value) >= _SHORTEST_LIKENESS
            and value.casefold() in small
            and len(small) < 2 * len(value)
        ):
            yield f"The password is too similar to the {name}."
    if len(password) < SHORTEST_PASSWORD:
        yield (
            f"This password is too short. It must contain at least {SHORTEST_PASSWORD} characters."
        )
    if small in _COMMON or len(set(small)) < _FEWEST_CHARACTERS:
        yield "This password is too common."
    if password.isdigit():
        yield "This password is entirely numeric."
