"""Where pushes can reach somebody."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.devices import queries
from app.domain.devices.rules import ACTIVE_DEVICES, NEW_A_DAY, NEW_ANONYMOUS_A_DAY
from app.domain.devices.schemas import Device, Registered, RegisterInput
from app.errors import NotFound, Refused
from app.jobs.queue import defer

REGISTERED = "Token registrado"
TOO_MANY = "Demasiados dispositivos nuevos: intente mañana"


class UnknownDevice(NotFound):
    """Token no encontrado"""

    key = "error"


class DeviceService:
    """Writes device tokens in the caller's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def register(self, user_id: int, data: RegisterInput) -> Registered:
        """The token is the user's from now on, whosever it was. Raises Refused for too many new ones in a day.

        While the user has notifications switched off, so is the device.
        """
        await self._turn(f"devices of user {user_id}")
        if not await self._is_known(data.token):
            await self._check(queries.NEW_OF_USER, NEW_A_DAY, user=user_id)
        reason = "" if await self._is_enabled(user_id) else "off"
        found = await self.session.execute(queries.ADOPT, {**_values(data), "user": user_id, "reason": reason})
        device_id, created = found.one()
        await self.session.execute(queries.REPLACE, {"user": user_id, "keep": ACTIVE_DEVICES})
        if not reason:
            await defer(self.session, "notifications:device_ready", user_id=user_id)
        return Registered(REGISTERED, device_id, created)

    async def note(self, data: RegisterInput, address: str) -> Registered:
        """A token without an account. One that has an owner stays the owner's, as it is. Raises Refused likewise."""
        await self._turn(f"devices from {address}")
        if not await self._is_known(data.token):
            await self._check(queries.NEW_FROM_ADDRESS, NEW_ANONYMOUS_A_DAY, address=address)
        found = (await self.session.execute(queries.NOTE, {**_values(data), "address": address})).one_or_none()
        if found is None:
            found = (await self.session.execute(queries.KNOWN, {"token": data.token})).one()
        device_id, created = found
        return Registered(REGISTERED, device_id, created)

    async def remove(self, user_id: int, token: str) -> None:
        """No more pushes to this device of the user's. Raises UnknownDevice, for a foreign one too."""
        if (await self.session.execute(queries.REMOVE, {"token": token, "user": user_id})).one_or_none() is None:
            raise UnknownDevice

    async def switch(self, user_id: int, *, enabled: bool) -> None:
        """All devices of the user on or off. The caller has the user's turn (`take_turn`)."""
        await self.session.execute(queries.SWITCH, {"user": user_id, "enabled": enabled})

    async def of(self, user_id: int) -> list[Device]:
        """The one used last comes first."""
        return [Device(*row) for row in await self.session.execute(queries.DEVICES, {"user": user_id})]

    async def reject(self, tokens: Sequence[str]) -> None:
        """The push service knows these tokens no more. One that is registered anew works again."""
        await self.session.execute(queries.REJECT, {"tokens": sorted(tokens)})

    async def take_turn(self, user_id: int) -> None:
        """Nobody else changes this user's devices until the transaction ends."""
        await self._turn(f"devices of user {user_id}")

    async def forget(self, *, limit: int = 5000) -> int:
        """Delete what has been of no use for half a year; how many."""
        return int(getattr(await self.session.execute(queries.FORGET, {"limit": limit}), "rowcount", 0))

    async def _turn(self, whose: str) -> None:
        await self.session.execute(queries.TURN, {"whose": whose})

    async def _is_known(self, token: str) -> bool:
        return (await self.session.execute(queries.OWNER, {"token": token})).one_or_none() is not None

    async def _is_enabled(self, user_id: int) -> bool:
        found = (await self.session.execute(queries.IS_ENABLED, {"user": user_id})).scalar_one_or_none()
        return found is not False

    async def _check(self, count: Any, most: int, **values: Any) -> None:
        if (await self.session.execute(count, values)).scalar_one() >= most:
            raise Refused(TOO_MANY, code="too_many_devices")


def _values(data: RegisterInput) -> dict[str, Any]:
    given = data.given()
    return {"token": data.token, "platform": data.platform, "info": given.get("device_info")}
