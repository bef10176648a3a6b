"""The audit log, as other domains write it and staff read it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import clock
from app.domain.activity import queries, rules
from app.domain.activity.models import ACTION_LENGTH, OBJECT_ID_LENGTH
from app.domain.activity.schemas import ActivityEntry, ActivityStats
from app.errors import NotFound
from app.http.principal import Principal


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to one object. `changes` is `{field: [old, new]}`; `rules.differences` makes it of two states."""

    object_id: int | str
    description: str
    changes: Mapping[str, Any] = {}


class ActivityService:
    """Writes and reads the log in the caller's transaction: what is rolled back was never logged."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def record(
        self,
        *,
        actor_id: int | None,
        action: str,
        description: str,
        content_type: str,
        object_id: int | str,
        changes: Mapping[str, Any] | None = None,
        address: str | None = None,
    ) -> None:
        """One row. `actor_id` is None for what nobody is signed in for; `content_type` is one of
        `rules.CONTENT_TYPES`. Private fields of `changes` (passwords, tokens, codes, keys) are masked.
        """
        deed = Deed(object_id=object_id, description=description, changes=changes or {})
        await self._insert([_row(actor_id, action, content_type, deed, address)])

    async def write(self, actor: Principal | None, action: str, content_type: str, *deeds: Deed) -> None:
        """As `record`, by a caller and from the caller's address: one row for each object, in one statement."""
        await self.write_each(action, content_type, [(actor, deed) for deed in deeds])

    async def write_each(self, action: str, content_type: str, deeds: Sequence[tuple[Principal | None, Deed]]) -> None:
        """As `write`, of deeds by different callers."""
        # The command line acts as nobody in particular, whose id is 0.
        rows = [
            _row((by.id or None) if by else None, action, content_type, deed, by.address if by else None)
            for by, deed in deeds
        ]
        if rows:
            await self._insert(rows)

    async def _insert(self, rows: list[dict[str, Any]]) -> None:
        await self.session.execute(queries.WRITE, {"rows": rows})

    async def get(self, entry_id: int) -> ActivityEntry:
        """Raises NotFound."""
        row = (await self.session.execute(queries.entry(entry_id))).one_or_none()
        if row is None:
            raise NotFound
        return shown(row)

    async def stats(self, zone: ZoneInfo) -> ActivityStats:
        """Everything counted; the day is the zone's."""
        today = dt.datetime.combine(clock.now().astimezone(zone).date(), dt.time(), zone)
        rows = (await self.session.execute(queries.STATS, {"today": today})).all()
        whole = next(row for row in rows if row.action is None and row.content_type is None)
        return ActivityStats(
            total=whole.total,
            by_action={row.action: row.total for row in rows if row.action is not None},
            by_content_type={row.content_type: row.total for row in rows if row.content_type is not None},
            today=whole.today,
            last_7_days=whole.last_7_days,
        )


def shown(row: Row[*tuple[Any, ...]]) -> ActivityEntry:
    """A row of `queries.entries` as it is answered."""
    return ActivityEntry(
        id=row.id,
        user=row.user_id,
        user_username=row.username,
        action=row.action,
        description=row.description,
        content_type=rules.CONTENT_TYPES.get(row.content_type),
        content_type_name=row.content_type,
        object_id=row.object_id,
        changes=row.changes,
        timestamp=row.timestamp,
        ip_address=None if row.ip_address is None else str(row.ip_address),
    )


def _row(actor_id: int | None, action: str, content_type: str, deed: Deed, address: str | None) -> dict[str, Any]:
    if content_type not in rules.CONTENT_TYPES:
        raise ValueError(f"{content_type} has no number in CONTENT_TYPES")
    return {
        "user_id": actor_id,
        "action": action[:ACTION_LENGTH],
        "description": rules.safe_text(deed.description),
        "content_type": content_type,
        "object_id": str(deed.object_id)[:OBJECT_ID_LENGTH],
        "changes": rules.scrubbed(deed.changes, content_type),
        "ip_address": rules.address_of(address),
    }
