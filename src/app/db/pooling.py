"""What a pooler between us and PostgreSQL leaves of a connection.

PgBouncer in transaction mode lends a server's connection for a transaction. What a session would keep (LISTEN,
session-wide locks, SET) is lost between two of them, so that what needs a session connects past the pooler
(DATABASE_DIRECT_URL). From 1.21 on prepared statements follow their client (max_prepared_statements); an older one
knows nothing of them, and gets statements without a name, each inside of a transaction.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

# Planning would cost more than most of these statements: one plan for all arguments, which tests look at.
PLANNED_ONCE = {"plan_cache_mode": "force_generic_plan"}
# The settings of a session that PgBouncer passes on; it refuses others at the start of a connection.
PASSED_ON = ("application_name", "timezone")


class Way(msgspec.Struct, frozen=True):
    """An address of the database and what lies on the way there."""

    dsn: str
    pooler: str = "none"

    def __repr__(self) -> str:
        """Without the address, which has a password."""
        return f"Way(pooler={self.pooler!r})"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("pooler", self.pooler)]


def way_of(dsn: Way | str) -> Way:
    """A plain address leads straight there."""
    return dsn if isinstance(dsn, Way) else Way(dsn)


def keeps_statements(pooler: str) -> bool:
    """Whether a statement that was prepared is there at the next transaction."""
    return pooler != "transaction-unprepared"


def server_settings(pooler: str, name: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """A session's settings. Behind a pooler those that it would refuse are left to the role (see roles.sql)."""
    wanted = {"application_name": name, "jit": "off", "timezone": "UTC", **(more or {})}
    return wanted if pooler == "none" else {key: value for key, value in wanted.items() if key in PASSED_ON}


def driver_arguments(pooler: str, name: str, more: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What `asyncpg.connect` is told."""
    arguments: dict[str, Any] = {"server_settings": server_settings(pooler, name, more)}
    if not keeps_statements(pooler):
        arguments["statement_cache_size"] = 0
    return arguments


def engine_arguments(pooler: str, name: str) -> dict[str, Any]:
    """The same, as SQLAlchemy passes it on; it has a cache of statements of its own and names them itself."""
    arguments = driver_arguments(pooler, name)
    if not keeps_statements(pooler):
        arguments |= {"prepared_statement_cache_size": 0, "prepared_statement_name_func": lambda: ""}
    return arguments
