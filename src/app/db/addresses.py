"""Addresses of databases, as settings give them."""

import re
from collections.abc import Mapping
from urllib.parse import quote

from app.environment import SettingsError, whole

# What lies between us and the database; see app.db.pooling.
POOLERS = ("none", "transaction", "transaction-unprepared")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:@\[\]]*)(?::[0-9]{1,5})?", re.ASCII)
_FORM = (
    "is not like postgresql://user:password@host:5432/database (in a password @ is %40, : is %3A, / is %2F, # is %23)"
)


def database_url_of(values: Mapping[str, str]) -> str:
    """The database as one address, from its parts if they are given instead. Raises SettingsError."""
    if url := values.get("DATABASE_URL"):
        return address_of("DATABASE_URL", url)
    if name := values.get("POSTGRES_DB"):
        user = quote(values.get("POSTGRES_USER", "postgres"), safe="")
        password = quote(values.get("POSTGRES_PASSWORD", ""), safe="")
        host, port = values.get("POSTGRES_HOST", "127.0.0.1"), whole(values, "POSTGRES_PORT", 5432, low=1, high=65535)
        return f"postgresql://{user}:{password}@{host}:{port}/{quote(name, safe='')}"
    raise SettingsError("DATABASE_URL is not set (or POSTGRES_DB, _USER, _PASSWORD, _HOST, _PORT); `make up` sets it")


def database_ways(values: Mapping[str, str], database_url: str) -> dict[str, str]:
    """The other ways to the database, and what lies on the usual one. Raises SettingsError."""
    pooler = values.get("DATABASE_POOLER", "none")
    if pooler not in POOLERS:
        raise SettingsError(f"DATABASE_POOLER is one of {', '.join(POOLERS)}")
    direct, admin, read = (
        address_of(name, values[name]) if name in values else ""
        for name in ("DATABASE_DIRECT_URL", "DATABASE_ADMIN_URL", "DATABASE_READ_URL")
    )
    if pooler != "none" and not direct:
        raise SettingsError("DATABASE_POOLER needs DATABASE_DIRECT_URL, a way past the pooler")
    return {
        "database_admin_url": admin or direct or database_url,
        "database_direct_url": direct or database_url,
        "database_read_url": read,
        "database_pooler": pooler,
    }


def address_of(name: str, url: str) -> str:
    """An address without a driver's name in it. Raises SettingsError, which shows nothing of it.

    One that is taken apart wrongly would be told with a part of its password by whoever stumbles over it later.
    """
    plain = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url)
    authority, *_ = re.split(r"[/?#]", plain.removeprefix("postgresql://"), maxsplit=1)
    who, _, where = authority.rpartition("@")
    hosts = where.split(",")
    if not plain.startswith("postgresql://") or "@" in who or not all(map(_HOST.fullmatch, hosts)):
        raise SettingsError(f"{name} {_FORM}")
    return plain


def with_driver(url: str) -> str:
    """The address as SQLAlchemy wants it."""
    return url.replace("postgresql://", "postgresql+asyncpg://", 1)
