"""Requests about devices and settings, and the rows behind them."""

from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import User
from app.settings import Settings
from tests.factories import bearer

TABLES = ("device_token", "notification_preference")


@dataclass
class Desk:
    client: httpx.AsyncClient
    db: AsyncSession
    settings: Settings

    async def ask(self, method: str, path: str, user: User | None = None, body: Any = None) -> httpx.Response:
        headers = bearer(self.settings, user) if user is not None else {}
        return await self.client.request(method, f"/api/notifications/{path}", headers=headers, json=body)

    async def register(self, user: User | None, token: str, **fields: Any) -> httpx.Response:
        return await self.ask("POST", "register-token/", user, {"token": token, "platform": "android"} | fields)

    async def devices(self, user: User) -> list[dict[str, Any]]:
        answer = await self.ask("GET", "devices/", user)
        assert answer.status_code == 200
        found: list[dict[str, Any]] = answer.json()["devices"]
        return found

    async def active(self, user: User) -> list[str]:
        return [device["token"] for device in await self.devices(user) if device["is_active"]]

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        result = await self.db.execute(text(statement), values)
        rows = list(result.all()) if result.returns_rows else []
        await self.db.commit()
        return rows

    async def owner(self, token: str) -> Any:
        ((found,),) = await self.rows("SELECT user_id FROM device_token WHERE token = :token", token=token)
        return found

    async def stored(self) -> list[Any]:
        """Every row of these tables: equal before and after means that nothing has changed."""
        return [await self.rows(f"SELECT t::text FROM {name} t ORDER BY 1") for name in TABLES]

    async def jobs(self) -> list[str]:
        return [name for (name,) in await self.rows("SELECT task_name FROM procrastinate_jobs ORDER BY id")]
