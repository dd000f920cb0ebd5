"""Who may do what: the one table, asked for every route at one place, ``web.middlewares``.

A right is a few routes that the same callers may ask. Who is not in a right's row may not do it. A
scope gives an API key what its rows say and nothing else: no scope holds another one, and no key
may manage people or keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final, Literal
from uuid import UUID

from orderbus.errors import Forbidden


class Role(StrEnum):
    """What a caller is: the first nobody in particular, the last a system that signs."""

    ANONYMOUS = "anonymous"
    CUSTOMER = "customer"
    SUPPORT = "support"
    STAFF = "staff"
    SUPERUSER = "superuser"
    PEER = "peer"


class Scope(StrEnum):
    """What an API key may be given."""

    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"
    ORDERS_IMPORT = "orders:import"
    CATALOG_WRITE = "catalog:write"
    ENDPOINTS_WRITE = "endpoints:write"
    STORE_WRITE = "store:write"
    WAREHOUSE_WRITE = "warehouse:write"
    ADMIN = "admin"


#: What every key could do before keys had scopes; those still can, and so can one made without.
BEFORE_SCOPES: Final = (Scope.ORDERS_READ, Scope.ORDERS_WRITE, Scope.ENDPOINTS_WRITE, Scope.ADMIN)
#: What somebody can be who signs in, from the one who may least on.
OF_PEOPLE: Final = (Role.CUSTOMER, Role.SUPPORT, Role.STAFF, Role.SUPERUSER)

#: ``own`` is what belongs to the caller alone: the rest is not there for them.
Extent = Literal["all", "own"]
Access = Literal["anybody", "signature", "key"]


@dataclass(frozen=True, slots=True)
class Right:
    """What may be done, by which routes, and by whom."""

    what: str
    routes: tuple[str, ...]
    who: Mapping[Role | Scope, Extent]


def _all(*who: Role | Scope) -> dict[Role | Scope, Extent]:
    return dict.fromkeys(who, "all")


def _own(*who: Role | Scope) -> dict[Role | Scope, Extent]:
    return dict.fromkeys(who, "own")


def _under_both(*names: str) -> tuple[str, ...]:
    return tuple(each for name in names for each in (name, f"{name}_v1"))


_ANYBODY: Final = _all(*Role, *Scope)
_STAFF: Final = _all(Role.STAFF, Role.SUPERUSER)
_READERS: Final = _all(Role.SUPPORT) | _STAFF

#: What a route that anybody may ask does for some alone.
WITHIN_ROUTES: Final = frozenset({"list_inactive_products", "import_orders"})
#: The whole table. A route that is missing here answers nobody: a test names it.
RIGHTS: Final = (
    Right(
        "see whether it runs, and what is counted",
        ("healthz", "readyz", "metrics", "metrics_as_text", "metrics_as_json"),
        _ANYBODY,
    ),
    Right(
        "read what the API is",
        ("root", "api_root", "orders_root", "openapi", "docs", "docs_file"),
        _ANYBODY,
    ),
    Right("send orders, signed", ("create_order",), _all(Role.PEER)),
    Right(
        "place orders and change them",
        (
            *("create_order_v1", "create_new_order"),
            *_under_both("retry_order", "change_order", "hold_order", "release_order"),
            *_under_both("ship_order", "deliver_order"),
        ),
        _STAFF | _all(Scope.ORDERS_WRITE),
    ),
    Right(
        "fill carts, place and change orders in the shop, and cancel orders",
        (
            *("open_cart", "put_cart_item", "check_out_cart", *_under_both("cancel_order")),
            *(f"{act}_shop_order" for act in ("place", "replace", "change", "remove")),
        ),
        _own(Role.CUSTOMER, Role.SUPPORT) | _STAFF | _all(Scope.ORDERS_WRITE),
    ),
    Right(
        "read orders and carts",
        (
            *_under_both("show_order", "order_history"),
            *("list_orders", "order_status", "list_carts", "get_cart"),
            *("list_shop_orders", "show_shop_order", "shop_order_history"),
        ),
        _own(Role.CUSTOMER) | _READERS | _all(Scope.ORDERS_READ),
    ),
    Right(
        "read the journeys of orders, and all orders in brief",
        (*_under_both("order_journey"), "list_all_orders"),
        _READERS | _all(Scope.ORDERS_READ),
    ),
    Right(
        "say that an order was completed elsewhere, so that it takes no stock",
        ("import_orders",),
        _STAFF | _all(Scope.ORDERS_IMPORT),
    ),
    Right(
        "read endpoints",
        ("list_endpoints", "show_endpoint"),
        _READERS | _all(Scope.ENDPOINTS_WRITE),
    ),
    Right(
        "add endpoints, change and test them",
        (
            *("add_endpoint", "change_endpoint", "remove_endpoint", "rotate_endpoint_secret"),
            *("disable_endpoint", "enable_endpoint", "test_endpoint"),
        ),
        _STAFF | _all(Scope.ENDPOINTS_WRITE),
    ),
    Right(
        "read deliveries, dead letters and jobs",
        (
            *("list_deliveries", "show_delivery", "list_jobs", "show_job"),
            *("list_dead_letters", "group_dead_letters", "show_dead_letter"),
        ),
        _READERS | _all(Scope.ADMIN),
    ),
    Right(
        "decide about deliveries, dead letters and jobs",
        (
            *("retry_delivery", "skip_delivery", "resend_delivery"),
            *("redrive_dead_letter", "discard_dead_letter"),
            *("begin_job", "pause_job", "resume_job", "cancel_job"),
        ),
        _STAFF | _all(Scope.ADMIN),
    ),
    Right(
        "read the catalogue",
        ("catalog_root", "list_products", "show_product", "list_categories"),
        _ANYBODY,
    ),
    Right(
        "read products that are sold no more, and movements of stock",
        ("list_inactive_products", "list_movements"),
        _READERS | _all(Scope.CATALOG_WRITE),
    ),
    Right(
        "keep the catalogue, and book stock",
        (
            *("add_product", "replace_product", "change_product", "remove_product"),
            "add_category",
            *("reserve_product", "ship_product", "book_stock", "change_stock"),
        ),
        _STAFF | _all(Scope.CATALOG_WRITE),
    ),
    Right(
        "register and sign in",
        (
            *("identity_root", "register", "token", "token_refresh", "token_verify"),
            *("logout", "reset_password"),
        ),
        _ANYBODY,
    ),
    Right(
        "see who one is, and change one's password",
        ("me", "change_password"),
        _own(*OF_PEOPLE),
    ),
    Right(
        "read customers",
        ("list_customers", "show_customer"),
        _own(Role.CUSTOMER) | _READERS,
    ),
    Right(
        "change, remove and erase customers",
        ("replace_customer", "change_customer", "remove_customer", "erase_customer"),
        _own(Role.CUSTOMER, Role.SUPPORT) | _STAFF,
    ),
    Right(
        "add customers, and let them choose a new password",
        ("add_customer", "begin_password_reset"),
        _STAFF,
    ),
    Right(
        "list, make and revoke API keys",
        ("list_api_keys", "add_api_key", "revoke_api_key"),
        _all(Role.SUPERUSER),
    ),
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: as the history names them, and what they are or what their key was given."""

    name: str
    holds: frozenset[Role | Scope]
    user_id: int | None = None
    customer: UUID | None = None

    @property
    def role(self) -> Role | None:
        """What the caller is; None for a key."""
        return next((each for each in self.holds if isinstance(each, Role)), None)


@cache
def _by_route() -> Mapping[str, Right]:
    return {route: right for right in RIGHTS for route in right.routes}


def right_to(route: str) -> Right:
    """Find the row of a route by its name; raises ``Forbidden`` where it has none."""
    found = _by_route().get(route)
    if found is None:
        raise Forbidden(f"Nobody may do this: {route} is not in the table of rights")
    return found


def access(route: str) -> Access:
    """Say how whoever asks a route shows who they are, if at all."""
    who = right_to(route).who
    if Role.ANONYMOUS in who:
        return "anybody"
    return "signature" if set(who) == {Role.PEER} else "key"


def extent(caller: Caller, route: str) -> Extent:
    """Say whether ``caller`` may ask ``route`` about everything or about their own; or refuse.

    Raises ``Forbidden``.
    """
    who = right_to(route).who
    found = {who[each] for each in caller.holds if each in who}
    if not found:
        raise Forbidden(_why_not(caller, who))
    return "all" if "all" in found else "own"


def may(caller: Caller, name: str) -> bool:
    """Say whether ``caller`` may do what one of the rows names."""
    return not caller.holds.isdisjoint(right_to(name).who)


def may_act_on(caller: Caller, role: Role) -> bool:
    """Say whether ``caller`` may change somebody else who is ``role``.

    Superusers may change everybody, staff those who are no staff.
    """
    return caller.role is Role.SUPERUSER or (
        caller.role is Role.STAFF and role in {Role.CUSTOMER, Role.SUPPORT}
    )


def _why_not(caller: Caller, who: Mapping[Role | Scope, Extent]) -> str:
    if caller.role is not None:
        return f"Not for a {caller.role}: see docs/rights.md"
    scopes = [str(each) for each in who if isinstance(each, Scope)]
    return f"The API key has not the scope {' or '.join(scopes)}" if scopes else "Not for API keys"


def table() -> str:
    """Write the table in Markdown, a row for each right."""
    columns = (*Role, *Scope)
    rows = (
        ("may ...", *(f"`{each}`" if isinstance(each, Scope) else str(each) for each in columns)),
        ("---",) * (1 + len(columns)),
        *((right.what, *_cells(right, columns)) for right in RIGHTS),
    )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cells(right: Right, columns: tuple[Role | Scope, ...]) -> Iterator[str]:
    words = {"all": "yes", "own": "own", None: "\N{EN DASH}"}
    for each in columns:
        yield words[right.who.get(each)]
