"""Somebody who follows the feed over HTTP, and the worker's part done by hand."""

from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.jobs.events import number_batch
from app.settings import Settings
from tests.factories import bearer, make_staff

Event = dict[str, Any]


@dataclass
class Reader:
    client: httpx.AsyncClient
    db: AsyncSession
    sessions: async_sessionmaker[AsyncSession]
    settings: Settings
    headers: dict[str, str]
    after: int = 0

    @classmethod
    async def open(
        cls,
        client: httpx.AsyncClient,
        db: AsyncSession,
        sessions: async_sessionmaker[AsyncSession],
        settings: Settings,
    ) -> "Reader":
        """From here on: what the making of the test's own objects notes is passed over with `news`."""
        return cls(client, db, sessions, settings, bearer(settings, await make_staff(db)))

    async def ask(self, method: str, url: str, body: Any = None, status: int = 200) -> Any:
        answer = await self.client.request(method, url, json=body, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def page(self, limit: int = 1000) -> list[Event]:
        """What follows on what was read before."""
        feed = await self.ask("GET", f"/api/events/?after={self.after}&limit={limit}")
        found: list[Event] = feed["results"]
        numbers = [event["number"] for event in found]
        assert numbers == sorted(set(numbers))
        assert feed["after"] == (numbers[-1] if numbers else self.after)
        self.after = feed["after"]
        return found

    async def news(self) -> list[Event]:
        """What was committed since, numbered and read."""
        while await number_batch(self.sessions):
            pass
        return await self.page()

    async def kinds(self) -> list[tuple[str, int]]:
        return [(event["type"], event["object_id"]) for event in await self.news()]

    async def run(self, statement: str, **values: Any) -> None:
        await self.db.execute(text(statement), values)
        await self.db.commit()
