"""Refusals on the paths of the shop, in the words that its clients read.

Those are written for Django REST Framework and SimpleJWT: ``detail``, with a ``code`` where a token
is wrong, or what is wrong by field.
"""

from __future__ import annotations

import re
from typing import Any, Final

from orderbus import errors
from orderbus.domain.text import brief, storable
from orderbus.errors import Fault, Invalid, OrderbusError
from orderbus.handling import handling
from orderbus.web.schemas.refusals import ShopRefusal, ShopShortLine, TokenMessage

CONTENT_TYPE: Final = "application/json"
_FAMILIES: Final = ("/api/identity", "/api/catalog", "/api/orders")
_LONGEST: Final = 300
#: Where a token is what is sent, and not who sends it.
_ABOUT_TOKENS: Final = ("/api/identity/token", "/api/identity/logout")
#: Where every product is named of which there is too little, and what is wrong with each item.
_ORDERS: Final = "/api/orders"
_ITEM: Final = re.compile(r"/order_items/([0-9]{1,4})(?:/(\w+))?", re.ASCII)
#: What is said there where something is wrong with a field.
_WORDS: Final = {
    "missing": "This field is required.",
    "string_type": "Not a valid string.",
    "string_too_short": "This field may not be blank.",
    "string_too_long": "Ensure this field has no more than {bound} characters.",
    "decimal_max_digits": "Ensure that there are no more than {bound} digits in total.",
    "decimal_max_places": "Ensure that there are no more than {bound} decimal places.",
    "greater_than_equal": "Ensure this value is greater than or equal to {bound}.",
    "uuid_parsing": "Must be a valid UUID.",
    "uuid_type": "Must be a valid UUID.",
    "less_than_equal": "Ensure this value is less than or equal to {bound}.",
}


def reads(path: str) -> bool:
    """Say whether the clients of ``path`` read refusals so."""
    return (
        path.rstrip("/") == "/api"
        or path.startswith(tuple(f"{each}/" for each in _FAMILIES))
        or path in _FAMILIES
    )


def status_of(error: OrderbusError) -> int:
    """Say with which status ``error`` is answered: too little stock is an invalid request here."""
    return 400 if isinstance(error, errors.OutOfStock) else handling(error).status


def body_of(error: OrderbusError, path: str) -> ShopRefusal:
    """Say what ``error`` is to whoever asked for ``path``."""
    is_token_path = path.startswith(_ABOUT_TOKENS)
    match error:
        case errors.BadToken() if not is_token_path:
            message = {
                "token_class": "AccessToken",
                "token_type": "access",
                "message": error.detail,
            }
            detail = "Given token not valid for any token type"
            return ShopRefusal(detail=detail, code=error.code, messages=[TokenMessage(**message)])
        case errors.BadToken():
            return ShopRefusal(detail=error.detail, code=error.code)
        case errors.Unauthenticated() if is_token_path:
            return ShopRefusal(detail=error.detail, code="no_active_account")
        case Invalid(faults=[_, *_]) if all(fault.pointer for fault in error.faults):
            return ShopRefusal.model_validate(by_field(error))
        case errors.Conflict():
            lines = _short_lines(error) if path.startswith(_ORDERS) else {}
            return ShopRefusal(error=short(error.detail), **lines)
    return ShopRefusal(detail=short(error.detail))


def _short_lines(error: errors.Conflict) -> dict[str, Any]:
    """Say of which products there is too little, where that is what is wrong."""
    if not isinstance(error, errors.OutOfStock):
        return {}
    lines = [
        ShopShortLine(sku=storable(brief(each.sku)), wanted=each.wanted, available=each.available)
        for each in error.short
    ]
    return {"short": lines}


def by_field(error: Invalid) -> dict[str, list[Any]]:
    """Name what is wrong with each field; of an order's items, what is wrong with each of them."""
    found: dict[str, list[Any]] = {}
    for fault in error.faults:
        if (of_item := _ITEM.fullmatch(fault.pointer)) and int(of_item[1]) < errors.MOST_FAULTS:
            _add_to_item(found.setdefault("order_items", []), of_item, short(_said(fault)))
            continue
        field = storable(brief(fault.pointer)).removeprefix("/") or "non_field_errors"
        said = short(_said(fault))
        if field in ShopRefusal.model_fields:  # these say something else
            field, said = "non_field_errors", f"{field}: {said}"
        found.setdefault(field, []).append(said)
    return found


def _add_to_item(items: list[dict[str, list[str]]], of_item: re.Match[str], said: str) -> None:
    """Put what is wrong with an item in its place; those before it have nothing, or more."""
    number, field = int(of_item[1]), of_item[2] or "non_field_errors"
    items.extend({} for _ in range(number + 1 - len(items)))
    items[number].setdefault(field, []).append(said)


def _said(fault: Fault) -> str:
    bound = re.search(r"-?[0-9]+(?:\.[0-9]+)?", fault.detail)
    words = _WORDS.get(fault.code, fault.detail)
    return words.replace("{bound}", bound[0] if bound else "")


def short(sentence: str) -> str:
    """Cut a sentence, and keep out of it what no JSON text should hold."""
    return storable(brief(sentence, _LONGEST))
