"""Subscriptions as staff make them, the worker's part by hand, and the sandbox as the receiver."""

from typing import Any

from sqlalchemy import text

from app.jobs import webhooks as jobs
from app.jobs.work import Work
from sandbox.faults import Fault
from sandbox.ledger import Hook
from sandbox.server import Sandbox
from sandbox.webhooks import key_of
from tests.events.reader import Reader
from tests.factories_catalog import make_product

Row = dict[str, Any]


class PostOffice:
    def __init__(self, reader: Reader, sandbox: Sandbox) -> None:
        self.reader, self.sandbox = reader, sandbox
        self.work = Work(reader.settings, reader.sessions)

    async def subscribe(self, name: str = "erp", **fields: Any) -> Row:
        """A subscription of the sandbox, which knows its secret."""
        body = {"url": f"{self.sandbox.url}/webhooks/{name}"} | fields
        made: Row = await self.reader.ask("POST", "/api/webhooks/", body, 201)
        self.sandbox.world.hook_secrets.append(key_of(made["signing_secret"]))
        return made

    async def happen(self) -> int:
        """A product is made, and its event numbered: the product's id."""
        product = await make_product(self.reader.db)
        await self.reader.news()
        return product.id

    async def deliver(self) -> None:
        """What is due is tried once, as the worker does."""
        await jobs.deliver.run(self.work)

    async def due(self) -> None:
        """The time of the next try has come."""
        await self.reader.run("UPDATE webhook_delivery SET next_at = clock_timestamp() WHERE state = 'pending'")
        await self.reader.run("UPDATE webhook SET paused_until = NULL")

    def got(self) -> list[Hook]:
        """What the receiver got, oldest first."""
        return list(self.sandbox.world.ledger.hooks.newest_first())[::-1]

    def fail(self, times: int = 1, **how: Any) -> None:
        self.sandbox.world.faults.add(Fault(provider="webhooks", times=times, **how))

    async def deliveries(self, webhook_id: int) -> list[Row]:
        page = await self.reader.ask("GET", f"/api/webhooks/{webhook_id}/deliveries/")
        found: list[Row] = page["results"]
        return found

    async def delivery(self, delivery_id: int) -> Row:
        found: Row = await self.reader.ask("GET", f"/api/webhooks/deliveries/{delivery_id}/")
        return found

    async def webhook(self, webhook_id: int) -> Row:
        found: Row = await self.reader.ask("GET", f"/api/webhooks/{webhook_id}/")
        return found

    async def pause(self, delivery_id: int) -> float:
        """Seconds until the next try."""
        statement = "SELECT EXTRACT(epoch FROM next_at - clock_timestamp()) FROM webhook_delivery WHERE id = :id"
        return float(await self.reader.db.scalar(text(statement), {"id": delivery_id}) or 0)
