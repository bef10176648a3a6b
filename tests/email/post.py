"""What the tests do with mails: make what they are about, run their jobs, look at what arrived and what is stored."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import User, VerificationCode
from app.domain.accounts.rules.codes import Purpose
from app.domain.accounts.service.codes import CodeService
from app.domain.carts.models import Cart, CartItem
from app.domain.email.models import Mail
from app.domain.orders.models import Order, OrderItem
from app.jobs import email
from app.jobs.work import Work
from sandbox.ledger import Arrival
from sandbox.ledger import Mail as Received
from sandbox.server import Sandbox
from tests.factories import make_user


@dataclass
class Post:
    """`work` is what jobs are run with, `db` a session that commits."""

    work: Work
    sandbox: Sandbox
    db: AsyncSession

    async def make_code(self, purpose: Purpose = "EMAIL_VERIFICATION", user: User | None = None, **fields: Any) -> int:
        """The id of a live code of the user, or of a new one."""
        user = user or await make_user(self.db, **fields)
        await CodeService(self.db, self.work.settings).issue(user.id, purpose, user.email)
        newest = select(VerificationCode.id).order_by(VerificationCode.id.desc()).limit(1)
        code_id = int((await self.db.execute(newest)).scalar_one())
        await self.db.commit()
        return code_id

    async def digits_of(self, code_id: int) -> str:
        found = await CodeService(self.db, self.work.settings).reveal(code_id)
        assert found is not None
        await self.db.commit()
        return found.code

    async def make_order(self, *lines: tuple[int, str], **fields: Any) -> int:
        """An order of 1000.00 a line without products; `lines` are quantities and labels."""
        lines = lines or ((1, ""),)
        total = sum((Decimal(1000) * quantity for quantity, _ in lines), Decimal(0))
        given = {"recipient_name": "Ana Pérez", "customer_email": "ana@example.com", "subtotal": total, **fields}
        given.setdefault("total", total - given.get("discount", 0))
        order_id = (await self.db.execute(insert(Order).values(**given).returning(Order.id))).scalar_one()
        items = [
            {"order_id": order_id, "quantity": quantity, "price": 1000, "variants_label": label}
            for quantity, label in lines
        ]
        await self.db.execute(insert(OrderItem), items)
        await self.db.commit()
        return int(order_id)

    async def send_code(self, code_id: int) -> str:
        return str(await email.send_code_mail.run(self.work, code_id=code_id))

    async def send_order(self, order_id: int, kind: str = "order_created", occurrence: int = 0) -> str:
        return str(await email.send_order_mail.run(self.work, order_id=order_id, kind=kind, occurrence=occurrence))

    async def make_cart(
        self, user: User | None = None, *, email: str = "ana@example.com", status: str = "abandoned"
    ) -> int:
        """A cart of the user, or of a new one with this address, with a line of 1000.00."""
        user = user or await make_user(self.db, email=email)
        times = {"last_activity": func.now() - text("interval '6 hours'"), "abandoned_at": func.now()}
        cart = Cart(user_id=user.id, status=status, subtotal=1000, total=1000, **times)
        self.db.add(cart)
        await self.db.flush()
        self.db.add(CartItem(cart_id=cart.id, quantity=1, price=1000))
        await self.db.commit()
        return cart.id

    async def remind(self, cart_id: int, occurrence: int = 0) -> str:
        return str(await email.send_reminder_mail.run(self.work, cart_id=cart_id, occurrence=occurrence))

    def inbox(self, to: str = "ana@example.com") -> list[Received]:
        """What arrived, oldest first."""
        return [mail for mail in self.sandbox.world.ledger.mails.newest_first() if mail.to == to][::-1]

    def arrivals(self) -> list[Arrival]:
        """Every message that was handed over, taken or not, oldest first."""
        return [arrival for arrival in self.sandbox.world.ledger.requests if arrival.provider == "smtp"]

    def header(self, name: str) -> list[str]:
        return [value for arrival in self.arrivals() for key, value in arrival.headers if key == name]

    async def rows(self) -> list[Mail]:
        fresh = {"populate_existing": True}
        rows = list((await self.db.execute(select(Mail).order_by(Mail.id), execution_options=fresh)).scalars())
        await self.db.commit()
        return rows

    async def row(self) -> Mail:
        (row,) = await self.rows()
        return row

    async def run(self, statement: str, **values: Any) -> None:
        await self.db.execute(text(statement), values)
        await self.db.commit()

    async def value(self, statement: str) -> Any:
        found = (await self.db.execute(text(statement))).scalar()
        await self.db.commit()
        return found
