"""A shop whose pushes go to the sandbox over a real socket, and whose jobs run when a test says so."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.accounts.models import User
from app.domain.devices.models import DeviceToken, NotificationPreference
from app.domain.notifications.service.sending import PushSender
from app.domain.promos.models import FlashPromo
from app.domain.stores.models import StoreProduct
from app.jobs.queue import announced
from app.jobs.work import Work
from app.settings import Settings
from sandbox.faults import Fault
from sandbox.server import Sandbox
from tests.factories import bearer, make_user
from tests.factories_catalog import CENTRE, make_store_product

HERE = (CENTRE.lat, CENTRE.lon)
MINUTE, HOUR = dt.timedelta(minutes=1), dt.timedelta(hours=1)
# Always: the last minute belongs to the hours.
ALWAYS = ("00:00", "23:59")

_NEXT = """
    DELETE FROM procrastinate_jobs WHERE id = (
        SELECT id FROM procrastinate_jobs
         WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= clock_timestamp())
         ORDER BY priority DESC, id LIMIT 1)
    RETURNING task_name, args
"""


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass
class Office:
    """What is written is committed at once; what is read is read afresh."""

    client: httpx.AsyncClient
    db: AsyncSession
    settings: Settings
    sessions: async_sessionmaker[AsyncSession]
    sandbox: Sandbox
    sender: PushSender

    @property
    def work(self) -> Work:
        return Work(self.settings, self.sessions, sender=self.sender)

    async def ask(self, method: str, path: str, user: User | None = None, body: Any = None) -> httpx.Response:
        headers = bearer(self.settings, user) if user is not None else {}
        return await self.client.request(method, f"/api/notifications/{path}", headers=headers, json=body)

    async def hours(self, start: str, end: str, user: User | None = None) -> None:
        """The global record's hours, or a user's own."""
        row = NotificationPreference(user_id=user and user.id, notification_start_hour=start, notification_end_hour=end)
        self.db.add(row)
        await self.db.commit()

    async def shopper(self, *tokens: str, location: tuple[float, float] | None = HERE, **fields: Any) -> User:
        """A user at the store's door with these devices."""
        user = await make_user(self.db, location=location, **fields)
        for token in tokens:
            await self.device(user, token)
        return user

    async def device(self, user: User | None, token: str, **fields: Any) -> int:
        device = DeviceToken(user_id=user and user.id, token=token, platform="android", **fields)
        self.db.add(device)
        await self.db.commit()
        return device.id

    async def promo(self, item: StoreProduct | None = None, **fields: Any) -> int:
        """A promotion that is on, at HERE, for everybody within 2000 m."""
        item = item or await make_store_product(self.db)
        times = {"starts_at": now() - MINUTE, "ends_at": now() + HOUR, "segments": ["new", "frequent"]}
        promo = FlashPromo(store_product_id=item.id, pool_id=item.pool_id, **(times | fields))
        self.db.add(promo)
        await self.db.commit()
        return promo.id

    async def run(self, name: str, **args: Any) -> Any:
        """One job, as a worker would run it."""
        return await announced(name).run(self.work, **args)

    async def drain(self) -> int:
        """Run what is queued and due, one after the other, until nothing is left; how many."""
        count = 0
        while rows := await self.rows(_NEXT):
            ((name, args),) = rows
            await self.run(name, **args)
            count += 1
        return count

    async def tell(self, promo_id: int) -> None:
        """The promotion's audience hears of it: all jobs to the end."""
        await self.run("notify_promo", promo_id=promo_id)
        await self.drain()

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        result = await self.db.execute(text(statement), values)
        rows = list(result.all()) if result.returns_rows else []
        await self.db.commit()
        return rows

    async def value(self, statement: str, **values: Any) -> Any:
        ((found,),) = await self.rows(statement, **values)
        return found

    async def states(self) -> dict[str, str]:
        """What became of the newest push to each token."""
        rows = await self.rows(
            "SELECT d.token, l.state FROM push_log l JOIN device_token d ON d.id = l.device_token_id ORDER BY l.id"
        )
        return dict(tuple(row) for row in rows)

    async def later(self) -> None:
        """Whatever waits for another try is due now, and whoever claimed something has had time enough."""
        await self.rows(
            "UPDATE push_log SET due_at = clock_timestamp() - interval '1 second' WHERE state IN ('waiting', 'sending')"
        )
        self.sender._closed_until = 0.0

    def pushes(self) -> list[str]:
        """The tokens that the sandbox got pushes for, in order; one that got two is there twice."""
        return [push.token for push in self.sandbox.world.ledger.pushes.newest_first()][::-1]

    def fault(self, times: int, **what: Any) -> None:
        """What happens to the next so many sends at the sandbox."""
        self.sandbox.world.faults.add(Fault(provider="fcm", times=times, **what))

    def heal(self) -> None:
        self.sandbox.world.faults.reset()
