"""What somebody wants to hear of, and in which hours."""

from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.rules import differences
from app.domain.activity.service import ActivityService, Deed
from app.domain.devices.models import NotificationPreference
from app.domain.devices.rules import Window
from app.domain.devices.schemas import NotificationSettings
from app.domain.devices.service.devices import DeviceService
from app.http.principal import Principal

# Somebody's own, and those of all customers.
CHANGED = ("Avisos propios actualizados", "Avisos generales actualizados")
_FIELDS = NotificationSettings.__struct_fields__
_COLUMNS = [getattr(NotificationPreference, name) for name in _FIELDS]
_GLOBAL = NotificationPreference.user_id.is_(None)


class PreferenceService:
    """Settings are read from a user's own row, else from the global one, else they are the defaults."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def settings(self, user_id: int | None) -> NotificationSettings:
        """A user's own settings; the global ones, which speak for customers, without a user."""
        own = NotificationPreference.user_id == user_id
        statement = (
            select(*_COLUMNS)
            .where(_GLOBAL if user_id is None else own | _GLOBAL)
            .order_by(NotificationPreference.user_id.asc().nulls_last())
            .limit(1)
        )
        found = (await self.session.execute(statement)).one_or_none()
        return NotificationSettings(*found) if found is not None else NotificationSettings()

    async def change(self, user_id: int | None, changes: dict[str, Any], actor: Principal) -> NotificationSettings:
        """Store what is named, logged under `actor`; the rest stays as it was read until now."""
        before = msgspec.structs.asdict(await self.settings(user_id))
        if changes:
            await self._write(user_id, before | changes, changes)
        if changed := differences(before, before | changes):
            # The global ones are the record 0.
            deed = Deed(object_id=user_id or 0, description=CHANGED[user_id is None], changes=changed)
            await ActivityService(self.session).write(actor, "update", "notificationsettings", deed)
        return await self.settings(user_id)

    async def toggle(self, user_id: int, *, enabled: bool) -> None:
        """Switch a user's notifications on or off, on all devices."""
        devices = DeviceService(self.session)
        await devices.take_turn(user_id)
        rest = msgspec.structs.asdict(await self.settings(user_id))
        await self._write(user_id, rest | {"enabled": enabled}, {"enabled": enabled})
        await devices.switch(user_id, enabled=enabled)

    async def customer_hours(self) -> Window:
        """When customers' pushes may be shown."""
        return hours_of(await self.settings(None))

    async def _write(self, user_id: int | None, values: dict[str, Any], changes: dict[str, Any]) -> None:
        statement = insert(NotificationPreference).values(user_id=user_id, **values)
        await self.session.execute(
            statement.on_conflict_do_update(index_elements=[NotificationPreference.user_id], set_=changes)
        )


def hours_of(settings: NotificationSettings) -> Window:
    return Window.of(settings.notification_start_hour, settings.notification_end_hour)
