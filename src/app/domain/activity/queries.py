"""Statements of the audit log."""

from functools import partial
from typing import Any

from sqlalchemy import BigInteger, Select, String, bindparam, column, select, table, text
from sqlalchemy.dialects.postgresql import JSONB

from app.domain.activity.models import ActivityLog
from app.domain.activity.schemas import ActivityFilters

# The users' domain comes later in the line; of its table the log needs two columns.
_users = table("users", column("id", BigInteger), column("username", String))

# For each grouping its counts: by action, by kind of object, and in all with today and the last seven days.
STATS = text("""
    SELECT action, content_type, count(*) AS total,
           count(*) FILTER (WHERE timestamp >= :today) AS today,
           count(*) FILTER (WHERE timestamp >= now() - interval '7 days') AS last_7_days
      FROM activity_log
     GROUP BY GROUPING SETS ((action), (content_type), ())
     ORDER BY action, content_type
""")


def entries(filters: ActivityFilters) -> Select[Any]:
    """Entries that pass the filters with their users' names, newest first."""
    log = ActivityLog
    conditions = (
        (filters.action, log.action.__eq__),
        (filters.user_id, log.user_id.__eq__),
        (filters.since, log.timestamp.__ge__),
        (filters.until, log.timestamp.__lt__),
        (filters.content_type, log.content_type.__eq__),
        (filters.object_id, log.object_id.__eq__),
        (filters.description, partial(log.description.icontains, autoescape=True)),
    )
    wanted = [compare(value) for value, compare in conditions if value is not None]
    columns = (getattr(log, name) for name in ("id", "user_id", "action", "description", "content_type", "object_id"))
    return (
        select(*columns, log.changes, log.timestamp, log.ip_address, _users.c.username)
        .outerjoin(_users, _users.c.id == log.user_id)
        .where(*wanted)
        .order_by(log.timestamp.desc(), log.id.desc())
    )


def entry(entry_id: int) -> Select[Any]:
    return entries(ActivityFilters()).where(ActivityLog.id == entry_id)


# Entries in their order: one statement, however many they are.
WRITE = text("""
    INSERT INTO activity_log (user_id, action, description, content_type, object_id, changes, ip_address)
    SELECT r.user_id, r.action, r.description, r.content_type, r.object_id, r.changes, r.ip_address
      FROM jsonb_to_recordset(:rows) AS r (
           user_id bigint, action text, description text, content_type text, object_id text, changes jsonb,
           ip_address inet)
""").bindparams(bindparam("rows", type_=JSONB))
