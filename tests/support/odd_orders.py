"""Orders at the edge of what is taken, as they are sent and as they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Whitespace at both ends and inside, both ways to write an é, both directions, a pair, and what
#: JSON, HTML, SQL and shells have a meaning for.
ODD = (
    " \t Zoë e\u0301 O'Brien \u202e\u05e9\u05dc\u05d5\u05dd 🛒\u00a0"
    '"q" \\n \\\\ </b>&amp; %27; -- {} $1 \u200b\r\n '
)


@dataclass(frozen=True)
class Case:
    """An order with a value of its own in every field, and how its money is to be read."""

    texts: dict[str, str]
    email: str
    items: list[dict[str, Any]]
    total: Any
    money: dict[Any, str]

    def text(self, field: str, longest: int) -> str:
        return self.texts.get(field, f"{field}:{ODD}")[:longest]


def line(number: int, quantity: int, price: Any) -> dict[str, Any]:
    return {
        "sku": f" SKU-{number} {ODD}"[:100],
        "name": f"Thing {number} {ODD}",
        "quantity": quantity,
        "unit_price": price,
    }


ODDEST = Case(
    texts={},
    email="Jane+Doe'@EXAMPLE.com",
    items=[line(3, 1, "0.01"), line(1, 2_147_483_647, "0.00"), line(2, 7, "12345678.90")],
    total="99999999.99",
    money={},
)


LONGEST = Case(
    texts={
        "reference": "r" * 254 + "R",
        "name": "ß" * 254 + "🛒",
        "address": "a" * 1999 + "Z",
    },
    email="j" * 241 + "@example.coMM",
    items=[
        {"sku": "s" * 99 + "S", "name": "n" * 254 + "N", "quantity": 3, "unit_price": "1.10"},
        *(line(number, number, f"{number}.0{number % 10}") for number in range(1, 30)),
    ],
    total="0.07",
    money={},
)


SHORTEST = Case(
    texts={"reference": "0", "name": " ", "address": "\n"},
    email="J@e",
    items=[line(1, 1, 12), line(2, 2, 0.1), line(3, 3, "5"), line(4, 4, "7.5"), line(5, 5, 0)],
    total=1234.5,
    money={12: "12.00", 0.1: "0.10", "5": "5.00", "7.5": "7.50", 0: "0.00", 1234.5: "1234.50"},
)


CASES = {"the oddest": ODDEST, "the longest": LONGEST, "the shortest": SHORTEST}


def read_as(case: Case, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**item, "unit_price": case.money.get(item["unit_price"], item["unit_price"])}
        for item in items
    ]


def sent(case: Case) -> dict[str, Any]:
    return {
        "order_id": case.text("reference", 255),
        "customer": {"name": case.text("name", 255), "email": case.email},
        "items": case.items,
        "shipping_address": case.text("address", 2000),
        "total": case.total,
    }


def as_read(case: Case) -> dict[str, Any]:
    return {
        **sent(case),
        "items": read_as(case, case.items),
        "total": case.money.get(case.total, case.total),
    }
