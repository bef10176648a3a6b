"""The site's configuration: read by everybody, written by staff."""

from decimal import Decimal
from typing import Any

from sqlalchemy import func, not_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.service.passwords import Passwords
from app.domain.activity.rules import differences
from app.domain.activity.service import ActivityService, Deed
from app.domain.site import models
from app.domain.site.schemas import SiteConfig, SiteConfigInput, ToggleInput
from app.http.principal import Principal

_SHOWN = ("id", "min_purchase_amount", "maintenance_mode", "maintenance_message", "created_at", "updated_at")
_LOGGED = ("min_purchase_amount", "maintenance_mode", "maintenance_message")
_COLUMNS = [getattr(models.SiteConfig, name) for name in _SHOWN]
_HASH = models.SiteConfig.bypass_password_hash


class ConfigurationService:
    """Reads and writes the one row in the caller's transaction; the first who asks makes it."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.log = ActivityService(session)

    async def get(self) -> SiteConfig:
        row = (await self.session.execute(select(*_COLUMNS))).one_or_none()
        if row is None:
            await self._make()
            row = (await self.session.execute(select(*_COLUMNS))).one()
        return SiteConfig(*row)

    async def minimum_purchase(self) -> Decimal:
        """What an order's products have to come to at least."""
        found: Decimal | None = (await self.session.execute(select(models.SiteConfig.min_purchase_amount))).scalar()
        return found or Decimal("0.00")

    async def bypass_hash(self) -> str | None:
        """The hash of the password that leads past the maintenance, None when there is none."""
        found: str | None = (await self.session.execute(select(_HASH))).scalar()
        return found or None

    async def change(self, data: SiteConfigInput, actor: Principal, passwords: Passwords) -> SiteConfig:
        """Writes what was sent; an empty password takes the stored one away."""
        values = data.given()
        password: str | None = values.pop("bypass_password", None)
        if password is not None:
            values["bypass_password_hash"] = await passwords.hash(password) if password else ""
        return await self._write(values, actor, "Configuración del sitio actualizada")

    async def toggle(self, data: ToggleInput, actor: Principal) -> SiteConfig:
        """The mode that was sent, or the other one."""
        values: dict[str, Any] = {"maintenance_mode": not_(models.SiteConfig.maintenance_mode)} | data.given()
        return await self._write(values, actor, "Modo de mantenimiento cambiado")

    async def _write(self, values: dict[str, Any], actor: Principal, description: str) -> SiteConfig:
        before = await self._locked()
        if values:
            await self.session.execute(update(models.SiteConfig).values(updated_at=func.now(), **values))
        config = await self.get()
        changes = differences({name: getattr(before, name) for name in _LOGGED}, _logged(config))
        if "bypass_password_hash" in values:
            # That there was or is a password, not which one, nor its hash.
            sides = before.bypass_password_hash, values["bypass_password_hash"]
            changes["bypass_password"] = ["set" if side else None for side in sides]
        if changes:
            await self.log.write(
                actor, "update", "siteconfig", Deed(object_id=1, description=description, changes=changes)
            )
        return config

    async def _locked(self) -> Any:
        await self._make()
        columns = [getattr(models.SiteConfig, name) for name in _LOGGED]
        return (await self.session.execute(select(*columns, _HASH).with_for_update())).one()

    async def _make(self) -> None:
        await self.session.execute(insert(models.SiteConfig).values(id=1).on_conflict_do_nothing())


def _logged(config: SiteConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in _LOGGED}
