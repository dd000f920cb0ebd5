"""What the role of the running system may do with each table: the least that it needs.

``orderbus migrate`` grants it each time, as the owner: so it is granted with whatever a migration
adds, in schemas that come later, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

from orderbus.errors import Misconfigured
from orderbus.settings import Settings

#: What it may do with a table that is not named below.
USUAL: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
_READ: Final = frozenset({"SELECT"})
_ADD: Final = _READ | {"INSERT"}
_CHANGE: Final = _ADD | {"UPDATE"}
#: What happened is only added to, and what others refer to stays. Nothing is granted on the days of
#: a partitioned table: they are reached through it.
NARROWER: Final = {
    "ops.audit_log": _ADD,
    "ops.events": _ADD,
    "ops.inbox": _ADD,
    "orders.order_history": _ADD,
    "products.stock_movements": _ADD,
    "orders.moves": _READ,
    "orders.orders": _CHANGE,
    "orders.order_items": _CHANGE,
    "products.products": _CHANGE,
    "products.stock": _CHANGE,
    "ops.webhook_endpoints": _CHANGE,
}

_Connection = psycopg.Connection[Any]
#: What to execute, and how it is told.
_Statements = list[tuple[sql.Composed, str]]


def apply(connection: _Connection, settings: Settings) -> list[str]:
    """Grant ``DB_USER`` what it needs and take what it does not; returns what was changed.

    All of it in one transaction, so whoever is at work misses nothing meanwhile. The role is made
    where there is none. Does nothing where it is the owner's own. Raises ``Misconfigured`` where it
    cannot be made, or could do everything anyway.
    """
    role = settings.db_user
    if not settings.has_two_roles:
        return []
    with connection.transaction():
        changed = _make(connection, settings)
        _refuse_mighty(connection, role)
        for compare in (_schemas, _tables, _functions):
            for statement, said in compare(connection, role):
                connection.execute(statement)
                changed.append(said)
    return changed


def _make(connection: _Connection, settings: Settings) -> list[str]:
    role = settings.db_user
    if _asked(connection, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", role):
        return []
    if not _asked(
        connection, "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
    ):
        raise Misconfigured(
            f"There is no role {role} in PostgreSQL, and {settings.db_owner_user} may make none: "
            f'type CREATE ROLE "{role}" LOGIN PASSWORD ... as one who may'
        )
    password = connection.pgconn.encrypt_password(  # so that no log of statements shows it
        settings.db_pass.get_secret_value().encode(), role.encode(), b"scram-sha-256"
    )
    statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
    connection.execute(statement.format(sql.Identifier(role), sql.Literal(password.decode())))
    return [f"role {role}"]


def _refuse_mighty(connection: _Connection, role: str) -> None:
    if _asked(
        connection,
        """
        SELECT rolsuper OR pg_has_role(oid, current_user::regrole, 'member')
               OR EXISTS (SELECT FROM pg_class
                           WHERE relowner = pg_roles.oid
                             AND relnamespace IN (to_regnamespace('ops'), to_regnamespace('orders'),
                                     to_regnamespace('identity'), to_regnamespace('products')))
          FROM pg_roles
         WHERE rolname = %s
        """,
        role,
    ):
        raise Misconfigured(
            f"DB_USER is {role}, who owns tables, is a superuser or acts for DB_OWNER_USER, and so "
            "may do everything whatever is granted: give the running system a role of its own"
        )


def _asked(connection: _Connection, question: LiteralString, *given: object) -> bool:
    return bool(connection.execute(question, given).fetchone())


def _schemas(connection: _Connection, role: str) -> _Statements:
    missing = connection.execute(
        """
        SELECT nspname
          FROM pg_namespace
         WHERE nspname NOT LIKE 'pg\\_%%' AND nspname NOT IN ('information_schema', 'public')
           AND NOT has_schema_privilege(%s, oid, 'USAGE')
         ORDER BY 1
        """,
        [role],
    ).fetchall()
    found = [
        _statement("GRANT {what} ON SCHEMA {on} TO {role}", "USAGE", (name,), role)
        for name in missing
    ]
    if _asked(connection, "SELECT has_schema_privilege(%s, 'public', 'CREATE')", role):
        # A database that was made before version 15 lets everybody.
        taken = _statement("REVOKE {what} ON SCHEMA {on} FROM PUBLIC", "CREATE", ("public",), role)
        found.append(taken)
    return found


def _tables(connection: _Connection, role: str) -> _Statements:
    """Compare what is granted with what is to be, for each table of ours."""
    compared = connection.cursor(row_factory=psycopg.rows.tuple_row).execute(
        """
        SELECT nspname, relname, relispartition,
               ARRAY(SELECT privilege_type
                       FROM aclexplode(relacl)
                      WHERE grantee = (SELECT oid FROM pg_roles WHERE rolname = %s))
          FROM pg_class
          JOIN pg_namespace ON pg_namespace.oid = relnamespace
         WHERE relkind IN ('r', 'p', 'v')
           AND nspname NOT LIKE 'pg\\_%%' AND nspname <> 'information_schema'
           AND pg_has_role(relowner, 'usage')
         ORDER BY 1, 2
        """,
        [role],
    )
    found: _Statements = []
    for schema, table, is_partition, granted in compared:
        wanted = frozenset() if is_partition else _wanted(schema, table)
        for how, which in (
            ("REVOKE {what} ON {on} FROM {role}", frozenset(granted) - wanted),
            ("GRANT {what} ON {on} TO {role}", wanted - frozenset(granted)),
        ):
            if which:
                found.append(_statement(how, ", ".join(sorted(which)), (schema, table), role))
    return found


def _functions(connection: _Connection, role: str) -> _Statements:
    """Let it ask for what is done as the owner."""
    missing = connection.cursor(row_factory=psycopg.rows.tuple_row).execute(
        """
        SELECT nspname, proname
          FROM pg_proc
          JOIN pg_namespace ON pg_namespace.oid = pronamespace
         WHERE nspname = 'ops' AND prosecdef AND prorettype <> 'trigger'::regtype
           AND NOT has_function_privilege(%s, pg_proc.oid, 'EXECUTE')
         ORDER BY 2
        """,
        [role],
    )
    how = "GRANT {what} ON FUNCTION {on} TO {role}"
    return [_statement(how, "EXECUTE", named, role) for named in missing]


def _statement(
    how: LiteralString, what: str, on: Sequence[str], role: str
) -> tuple[sql.Composed, str]:
    statement = sql.SQL(how).format(
        what=sql.SQL(what),
        on=sql.Identifier(*on),
        role=sql.Identifier(role),
    )
    verb = "" if how.startswith("GRANT") else "no "
    return statement, f"{verb}{what} on {'.'.join(on)}"


def _wanted(schema: str, table: str) -> frozenset[str]:
    if schema == "public":  # which migrations were applied
        return _READ
    return NARROWER.get(f"{schema}.{table}", USUAL)
