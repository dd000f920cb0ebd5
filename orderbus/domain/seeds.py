"""What a shop begins with in development: the guitars and people of the shop program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from orderbus.domain.rights import Role


class Seed(NamedTuple):
    """A product, and how many of it are on hand."""

    sku: str
    name: str
    description: str
    price: int
    on_hand: int
    category: str
    uuid: UUID | None = None


#: Name, password and role: known to everybody, as the data of development is.
USERS: Final[Sequence[tuple[str, str, Role]]] = (
    ("opply", "123456", Role.SUPERUSER),
    ("opply_test", "test@1234", Role.CUSTOMER),
)
#: Slug, name, and the slug of what it is below.
CATEGORIES: Final[Sequence[tuple[str, str, str | None]]] = (
    ("guitars", "Guitars", None),
    ("acoustic-guitars", "Acoustic guitars", "guitars"),
    ("electric-guitars", "Electric guitars", "guitars"),
)
_NAMES: Final = (
    *("Django Reinhardt", "Les Paul", "Martin", "Stratocaster", "Telecaster", "Gibson", "Fender"),
    *("Ibanez", "Yamaha", "Epiphone", "Gretsch", "Rickenbacker", "Jackson", "Charvel", "Schecter"),
    *("ESP", "BC Rich", "Dean", "Washburn", "Cort"),
)
_ACOUSTIC: Final = {"Django Reinhardt": "Gypsy jazz guitar", "Martin": "Acoustic guitar"}
_ON_HAND: Final = {"Telecaster": 95, "Fender": 0}
_UUIDS: Final = {
    "Django Reinhardt": UUID("04d5d8be-470b-45e8-b3fe-88b1c412535a"),
    "Les Paul": UUID("d940a7cf-ff47-4f71-b72c-770cb5656f7f"),
    "Martin": UUID("fe36af8e-0a14-4413-aa36-cb3d1a02733a"),
}

PRODUCTS: Final[Sequence[Seed]] = [
    Seed(
        sku=f"GUITAR-{number}",
        name=name,
        description=_ACOUSTIC.get(name, "Electric guitar"),
        price=100 * number,
        on_hand=_ON_HAND.get(name, 52),
        category="acoustic-guitars" if name in _ACOUSTIC else "electric-guitars",
        uuid=_UUIDS.get(name),
    )
    for number, name in enumerate(_NAMES, start=1)
]
