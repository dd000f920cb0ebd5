"""People, tokens and keys as they are answered, and what is sent about them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from orderbus.domain.people import Secret, Token
from orderbus.domain.rights import Scope
from orderbus.domain.text import moment
from orderbus.web.schemas.fields import Body, Id, Moment

_TOKEN: Final = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl"  # noqa: S105 - an example
_PASSWORD: Final = "correct horse"  # noqa: S105 - the same


class _Given(BaseModel):
    """Members that are not named are passed over, as clients of the shop expect."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Links(Body):
    """Where each thing is."""

    register_: str = Field(serialization_alias="register")
    token: str
    refresh: str
    verify: str
    customers: str


class Registered(Body):
    """Who registered."""

    username: str = Field(examples=["jane"])
    email: str = Field(examples=["jane@example.com"])


class Credentials(_Given):
    """A name and a password."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"username": "jane", "password": _PASSWORD}}
    )

    username: Token
    password: Secret


class Pair(Body):
    """An access token, and what the next one is had with."""

    access: str = Field(examples=[_TOKEN])
    refresh: str = Field(examples=[_TOKEN])


class Refresh(_Given):
    """A refresh token, which is used up."""

    model_config = ConfigDict(json_schema_extra={"example": {"refresh": _TOKEN}})

    refresh: Token


class Verify(_Given):
    """A token of either kind."""

    model_config = ConfigDict(json_schema_extra={"example": {"token": _TOKEN}})

    token: Token


class Nothing(Body):
    """There is nothing to be said: it is as it should be."""


class ChangePassword(_Given):
    """The password that somebody has, and the one they want."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"old_password": _PASSWORD, "password": "battery staple"}}
    )

    old_password: Secret
    password: Secret


class ResetPassword(_Given):
    """A token that is good for once, and the password that somebody wants."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"token": "q3J0", "password": "battery staple"}}
    )

    token: Token
    password: Secret


class Customer(Body):
    """A customer; ``public_id`` is the uuid by which orders name them."""

    id: int
    username: str = Field(examples=["jane"])
    first_name: str
    last_name: str
    email: str = Field(examples=["jane@example.com"])
    url: str = Field(examples=["http://localhost:8000/api/identity/customers/1/"])
    public_id: Id = Field(validation_alias="uuid")

    @classmethod
    def at(cls, user: Any, url: str) -> Customer:  # noqa: ANN401 - as ``of``
        """Write somebody, and where they are."""
        return cls(
            id=user.id,
            username=user.username,
            first_name=user.first_name,
            last_name=user.last_name,
            email=user.email or "",
            url=url,
            public_id=user.uuid,
        )


class Me(Customer):
    """Who the caller is, and what they are."""

    role: str = Field(examples=["customer"])

    @classmethod
    def at(cls, user: Any, url: str) -> Me:  # noqa: ANN401 - as above
        """Write somebody with what they are."""
        return cls(**dict(Customer.at(user, url)), role=user.role)


class CustomerPage(Body):
    """A page of customers by id, and where the pages beside it are."""

    count: int
    next: str | None
    previous: str | None
    results: list[Customer]


class PasswordReset(Body):
    """A token by which a customer chooses a new password, shown this once."""

    id: int
    token: str
    good_for: int = Field(description="seconds")


def _later(value: object) -> object:
    return moment(value) if isinstance(value, str) else value


class NewApiKey(_Given):
    """Whom a key is for, what it may do, and until when."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"name": "shop", "scopes": ["orders:read"]}},
    )

    name: str = Field(min_length=1, max_length=100)
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope))
    expires_at: Annotated[datetime | None, BeforeValidator(_later)] = None


class ApiKey(Body):
    """A key, without anything that could be used as one."""

    id: int
    name: str
    scopes: list[str]
    owner: str | None = Field(description="who made it over HTTP; null where a command did")
    created_at: Moment
    expires_at: Moment | None
    last_used_at: Moment | None = Field(description="a minute late at most")
    revoked_at: Moment | None


class AddedApiKey(Body):
    """A key that was made, shown this once."""

    id: int
    name: str
    key: str
    scopes: list[str]
    expires_at: Moment | None


class ApiKeys(Body):
    """All keys, from the oldest on."""

    results: list[ApiKey]
