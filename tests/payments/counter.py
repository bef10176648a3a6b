"""A shop with orders to pay, the sandbox's MercadoPago over a real socket, and jobs that run when a test says so."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.clients.mercadopago import MercadoPagoClient
from app.domain.accounts.models import User
from app.domain.catalog.models import Product
from app.domain.inventory.service import StockService, Trade
from app.domain.orders.models import Order, OrderEvent, OrderItem
from app.domain.orders.service.life import OrderLife
from app.domain.payments.service.desk import PaymentDesk
from app.domain.payments.service.reconciliation import Reconciliation
from app.http.principal import Principal
from app.jobs.queue import announced
from app.jobs.work import Work
from app.settings import Settings
from sandbox.faults import Fault
from sandbox.mercadopago_checkout import charge
from sandbox.mercadopago_notifier import signature
from sandbox.server import Sandbox
from tests.factories import bearer, make_staff, make_user
from tests.factories_catalog import make_product

REQUEST_ID = "b2c3d4e5-0000-4000-8000-000000000001"
OURS = "payments:"
_NEXT = """
    DELETE FROM procrastinate_jobs WHERE id = (
        SELECT id FROM procrastinate_jobs
         WHERE status = 'todo' AND task_name LIKE 'payments:%' AND (scheduled_at IS NULL OR scheduled_at <= now())
         ORDER BY priority DESC, id LIMIT 1)
    RETURNING task_name, args
"""
_QUEUED = """
    SELECT task_name FROM procrastinate_jobs WHERE status = 'todo' AND task_name NOT LIKE 'payments:%' ORDER BY id
"""


@dataclass
class Counter:
    """What is written is committed at once; what is read is read afresh."""

    client: httpx.AsyncClient
    db: AsyncSession
    settings: Settings
    sessions: async_sessionmaker[AsyncSession]
    sandbox: Sandbox
    mercadopago: MercadoPagoClient
    buyer: User
    staff: User

    @property
    def desk(self) -> PaymentDesk:
        return PaymentDesk(self.sessions, self.mercadopago, self.settings)

    @property
    def till(self) -> Any:
        return self.sandbox.world.till

    @property
    def notifier(self) -> Any:
        return self.sandbox.world.notifier

    def principal(self, user: User) -> Principal:
        return Principal(user.id, user.username, user.email, user.is_staff, user.is_superuser)

    async def order(
        self,
        total: str = "100.00",
        *,
        status: str = "pending",
        user: User | None = None,
        product: Product | None = None,
        **fields: Any,
    ) -> int:
        """An order of one unit, its stock taken."""
        product = product or await make_product(self.db, stock=5, name="Remera")
        order = Order(
            user_id=(user or self.buyer).id,
            recipient_name="Ana Paz",
            customer_email="ana@example.com",
            status=status,
            payment_method=fields.pop("payment_method", "online"),
            subtotal=Decimal(total),
            total=Decimal(total),
            holds_stock=True,
            **fields,
        )
        self.db.add(order)
        await self.db.flush()
        line = {"order_id": order.id, "product_id": product.id, "pool_ids": [product.pool_id], "price": Decimal(total)}
        self.db.add(OrderItem(**line))
        self.db.add(OrderEvent(order_id=order.id, status=status, cause="created"))
        await StockService(self.db).trade([Trade(product.pool_id, 1, f"order {order.id}")])
        await self.db.commit()
        return order.id

    async def ask(self, method: str, path: str, body: Any = None, user: User | None = None) -> httpx.Response:
        headers = bearer(self.settings, user or self.buyer)
        return await self.client.request(method, f"/api/payments/{path}", headers=headers, json=body)

    async def create(self, order_id: int, user: User | None = None) -> httpx.Response:
        return await self.ask("POST", "create/", {"order_id": order_id}, user)

    async def started(self, order_id: int) -> str:
        """The preference of a payment that has begun."""
        answer = await self.create(order_id)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["init_point"]).partition("pref_id=")[2]

    async def pay(self, preference_id: str, outcome: str = "APRO", *, tell: bool = True, **changes: Any) -> str:
        """A buyer pays; the notification has arrived when this returns, and its job waits. The payment's number."""
        made = charge(self.sandbox.world, preference_id, outcome, changes, tell=tell)
        await self.notifier.settle()
        return str(made["id"])

    async def turn(self, number: str, status: str, detail: str = "", *, tell: bool = True) -> None:
        """The payment becomes something else at the provider."""
        made = self.till.turn(number, status, detail)
        if tell:
            self.notifier.tell(made, "payment.updated")
        await self.notifier.settle()

    async def paid(self, total: str = "100.00", **fields: Any) -> tuple[int, str]:
        """An order that was paid: its id, and the payment's number."""
        order_id = await self.order(total, **fields)
        number = await self.pay(await self.started(order_id))
        await self.drain()
        assert await self.status(order_id) == ("approved", "paid")
        return order_id, number

    async def refund(self, order_id: int, amount: str | None = None) -> httpx.Response:
        body = {"order_id": order_id} | ({"amount": amount} if amount is not None else {})
        return await self.ask("POST", "refund/", body, self.staff)

    async def check(self, order_id: int, user: User | None = None) -> httpx.Response:
        return await self.ask("POST", "check-status/", {"order_id": order_id}, user)

    async def tell(self, data_id: str, *, secret: str | None = None, **changes: Any) -> httpx.Response:
        """A notification by hand, signed as MercadoPago signs; `changes` are headers."""
        timestamp = str(int(dt.datetime.now(dt.UTC).timestamp()))
        digest = signature(data_id, REQUEST_ID, timestamp, secret or self.settings.mercadopago_webhook_secret)
        headers = {"X-Request-Id": REQUEST_ID, "X-Signature": f"ts={timestamp},v1={digest}"} | changes
        query = {"data.id": data_id, "type": "payment"}
        body = {"type": "payment", "action": "payment.updated", "data": {"id": data_id}}
        return await self.client.post("/api/payments/", params=query, json=body, headers=headers)

    async def run(self, name: str, **args: Any) -> Any:
        """One job, as a worker would run it."""
        return await announced(name).run(Work(self.settings, self.sessions, mercadopago=self.mercadopago), **args)

    async def drain(self) -> list[str]:
        """Run the payments' jobs until none is left; their names in order. Those that fail are dropped."""
        names = []
        while rows := await self.rows(_NEXT):
            ((name, args),) = rows
            names.append(name.removeprefix(OURS))
            await self.run(name, **args)
            await self.notifier.settle()
        return names

    async def queued(self) -> list[str]:
        """The jobs of others that wait."""
        return [name for (name,) in await self.rows(_QUEUED)]

    async def reconcile(self) -> dict[str, int]:
        """A run for which everything is old enough."""
        await self.rows("UPDATE payment SET check_at = now() WHERE check_at IS NOT NULL")
        await self.rows("UPDATE payment_refund SET busy_until = NULL")
        return dict(await Reconciliation(self.desk, unknown_seconds=0).run())

    async def expire(self, order_id: int) -> None:
        """The time to pay is over, and the order was swept."""
        await self.rows("UPDATE orders SET unpaid_since = now() - interval '1 day' WHERE id = :id", id=order_id)
        assert await OrderLife(self.db).expire_unpaid(100, minutes=30, cash_hours=1) >= 1
        await self.db.commit()

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        result = await self.db.execute(text(statement), values)
        rows = list(result.all()) if result.returns_rows else []
        await self.db.commit()
        return rows

    async def value(self, statement: str, **values: Any) -> Any:
        ((found,),) = await self.rows(statement, **values)
        return found

    async def status(self, order_id: int) -> tuple[str | None, str]:
        """Of the payment and of the order."""
        ((payment, order),) = await self.rows(
            "SELECT p.status, o.status FROM orders o LEFT JOIN payment p ON p.order_id = o.id WHERE o.id = :id",
            id=order_id,
        )
        return payment, order

    async def told(self, order_id: int) -> dict[str, Any]:
        """What the buyer is told of the payment."""
        answer = await self.ask("GET", f"status/{order_id}/")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def free(self, order_id: int) -> int:
        """Units of the order's product that can be sold."""
        pools = await self.value("SELECT pool_ids FROM order_item WHERE order_id = :id", id=order_id)
        return int(await self.value("SELECT stock_free(:pool)", pool=pools[0]))

    def moved(self, kind: str) -> list[Decimal]:
        """The sandbox's own ledger: amounts that were charged or refunded."""
        return [move.amount for move in self.till.ledger if move.kind == kind]

    def arrived(self, method: str, path: str) -> int:
        """How many such requests the provider got."""
        log = self.sandbox.world.ledger.requests
        return sum(one.method == method and path in one.path for one in log)

    def fault(self, times: int = 1, **what: Any) -> None:
        self.sandbox.world.faults.add(Fault(provider="mercadopago", times=times, **what))

    def heal(self) -> None:
        self.sandbox.world.faults.reset()
        self.mercadopago.breaker.close()


async def make_counter(  # noqa: PLR0917 - what fixtures hand over
    client: httpx.AsyncClient,
    db: AsyncSession,
    settings: Settings,
    sessions: async_sessionmaker[AsyncSession],
    sandbox: Sandbox,
    mercadopago: MercadoPagoClient,
) -> Counter:
    buyer, staff = await make_user(db), await make_staff(db)
    return Counter(client, db, settings, sessions, sandbox, mercadopago, buyer, staff)
