"""What the role of the running system may do with each table: the least that it needs.

``orderbus migrate`` grants it each time, as the owner: so it is granted with whatever a migration
adds, in schemas that come later, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

from orderbus.errors import Misconfigured
from orderbus.settings import Settings

#: What it may do with a table that is not named below.
USUAL: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
_READ: Final = frozenset({"SELECT"})
#: Of a sequence it takes the next; what moves one is done as the owner.
_NEXT: Final = frozenset({"USAGE"})
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
    cannot be made, or could do everything anyway; and, after all else is granted, where a superuser
    has to type a statement.
    """
    role = settings.db_user
    if not settings.has_two_roles:
        return []
    with connection.transaction():
        changed = _make(connection, settings)
        _refuse_mighty(connection, role)
        for statement, said in _compare(connection, role):
            with suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(statement)
            changed.append(said)
        left = _compare(connection, role)
    if left:
        typed = "; ".join(statement.as_string(connection) for statement, _ in left)
        raise Misconfigured(
            f"{settings.db_owner_user} may not grant {role} what it needs, or not take what is too "
            f"much. Type as a superuser: {typed}. What is said again after that, {role} may do as "
            "a member of another role: take it out"
        )
    return changed


def _compare(connection: _Connection, role: str) -> _Statements:
    kinds = (_database, _schemas, _tables, _functions)
    return [statement for kind in kinds for statement in kind(connection, role)]


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


def _database(connection: _Connection, role: str) -> _Statements:
    if _asked(connection, "SELECT has_database_privilege(%s, current_database(), 'CONNECT')", role):
        return []
    name = connection.info.dbname
    return [_statement("GRANT {what} ON DATABASE {on} TO {role}", "CONNECT", (name,), role)]


def _schemas(connection: _Connection, role: str) -> _Statements:
    """Let it into the schemas that the owner may open, and make nothing in any.

    ``public`` is there for which migrations were applied. A database that was made before
    PostgreSQL 15 lets everybody make tables in it.
    """
    compared = connection.cursor(row_factory=psycopg.rows.tuple_row).execute(
        """
        SELECT nspname, has_schema_privilege(%(role)s, oid, 'USAGE'),
               has_schema_privilege(%(role)s, oid, 'CREATE')
          FROM pg_namespace
         WHERE nspname NOT LIKE 'pg\\_%%' AND nspname <> 'information_schema'
           AND (pg_has_role(nspowner, 'usage') OR nspname = 'public')
         ORDER BY nspname
        """,
        {"role": role},
    )
    found: _Statements = []
    for name, is_open, makes in compared:
        if not is_open:
            how: LiteralString = "GRANT {what} ON SCHEMA {on} TO {role}"
            found.append(_statement(how, "USAGE", (name,), role))
        if makes:
            how = "REVOKE {what} ON SCHEMA {on} FROM PUBLIC, {role}"
            found.append(_statement(how, "CREATE", (name,), role))
    return found


def _tables(connection: _Connection, role: str) -> _Statements:
    """Compare what it may do with what it is to, for each table and sequence of ours.

    Also as anybody (``PUBLIC``), with single columns, and what it may change as a member of
    another role.
    """
    compared = connection.cursor(row_factory=psycopg.rows.tuple_row).execute(
        """
        SELECT nspname, relname, CASE WHEN relispartition THEN 'day'
                                      WHEN relkind = 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
               ARRAY(SELECT privilege_type FROM aclexplode(relacl) WHERE grantee = app.oid),
               ARRAY(SELECT privilege_type
                       FROM aclexplode(relacl)
                      WHERE grantee IN (app.oid, 0)
                      UNION
                     SELECT privilege_type
                       FROM pg_attribute
                      CROSS JOIN LATERAL aclexplode(attacl)
                      WHERE attrelid = pg_class.oid AND grantee IN (app.oid, 0)
                      UNION
                     SELECT privilege_type
                       FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER'])
                            AS privilege_type
                      WHERE has_table_privilege(app.oid, pg_class.oid, privilege_type))
          FROM pg_class
          JOIN pg_namespace ON pg_namespace.oid = relnamespace
          JOIN pg_roles AS app ON app.rolname = %s
         WHERE relkind IN ('r', 'p', 'v', 'S')
           AND nspname NOT LIKE 'pg\\_%%' AND nspname <> 'information_schema'
           AND (nspname <> 'public' OR relname ~ '^_?yoyo_')
           AND pg_has_role(relowner, 'usage')
         ORDER BY 1, 2
        """,
        [role],
    )
    found: _Statements = []
    for schema, name, kind, granted, may in compared:
        wanted = _wanted(schema, name, kind)
        on = "SEQUENCE {on}" if kind == "SEQUENCE" else "{on}"
        for how, which in (
            ("REVOKE {what} ON " + on + " FROM PUBLIC, {role}", frozenset(may) - wanted),
            ("GRANT {what} ON " + on + " TO {role}", wanted - frozenset(granted)),
        ):
            if which:
                found.append(_statement(how, ", ".join(sorted(which)), (schema, name), role))
    return found


def _functions(connection: _Connection, role: str) -> _Statements:
    """Let it, and nobody else, ask for what is done as the owner; a trigger's is not asked for."""
    compared = connection.cursor(row_factory=psycopg.rows.tuple_row).execute(
        """
        SELECT nspname, proname,
               EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner)))
                        WHERE grantee = 0),
               prorettype <> 'trigger'::regtype
               AND NOT EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = app.oid)
          FROM pg_proc
          JOIN pg_namespace ON pg_namespace.oid = pronamespace
          JOIN pg_roles AS app ON app.rolname = %s
         WHERE nspname = 'ops' AND prosecdef
         ORDER BY proname
        """,
        [role],
    )
    found: _Statements = []
    for schema, name, is_anybodys, is_missing in compared:
        if is_anybodys:
            how: LiteralString = "REVOKE {what} ON FUNCTION {on} FROM PUBLIC"
            found.append(_statement(how, "EXECUTE", (schema, name), role))
        if is_missing:
            how = "GRANT {what} ON FUNCTION {on} TO {role}"
            found.append(_statement(how, "EXECUTE", (schema, name), role))
    return found


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


def _wanted(schema: str, name: str, kind: str) -> frozenset[str]:
    if kind == "day":
        return frozenset()
    if schema == "public":  # which migrations were applied
        return _READ
    return _NEXT if kind == "SEQUENCE" else NARROWER.get(f"{schema}.{name}", USUAL)
