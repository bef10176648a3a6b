"""Every two works that meet at a payment, in every order of their statements and of their calls of MercadoPago."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from app import registry
from app.clients.mercadopago import MercadoPagoClient
from app.clients.trust import trusted
from app.domain.payments.service.desk import PaymentDesk
from app.domain.payments.service.intake import Intake, News
from app.domain.payments.service.reconciliation import look_at
from app.domain.payments.service.refunds import Wish
from app.errors import AppError
from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from app.settings import Settings
from sandbox.server import open_sandbox
from tests.conftest import fresh_database
from tests.payments.counter import Counter, make_counter
from tests.races.conftest import standing
from tests.races.interleaving import APART, Act, Kind, Piece, Scene, directing
from tests.races.pairs import ActorsLine, Pairs, SteppingClient, desk_of, driver_of

pytestmark = [pytest.mark.races, pytest.mark.shows("R3")]
GATED = r"\bpayment|\borders\b|stock_|coupon"
SAMPLE = 12


class Till:
    """Orders to pay, MercadoPago, and pieces of work about them."""

    def __init__(self, pairs: Pairs, counter: Counter, client: MercadoPagoClient) -> None:
        self.pairs, self.counter, self.client = pairs, counter, client

    async def started(self) -> tuple[int, str]:
        """An order, and the preference at which it can be paid."""
        order_id = await self.counter.order()
        desk = PaymentDesk(self.counter.sessions, self.counter.mercadopago, self.counter.settings)
        page = await desk.create(order_id, self.counter.principal(self.counter.buyer))
        return order_id, page.init_point.partition("pref_id=")[2]

    async def paid(self) -> tuple[int, str]:
        """An order whose payment has arrived here."""
        order_id, preference = await self.started()
        number = await self.counter.pay(preference, tell=False)
        await self.counter.desk.read(number)
        return order_id, number

    def told(self, number: str) -> Piece:
        """A notification, and then its job."""

        async def piece(session: AsyncSession) -> bool:
            intake = Intake("")
            noting = Act(Kind.ANYTHING, APART)
            intake._line = ActorsLine(await driver_of(session), noting)  # type: ignore[assignment]
            await intake.take(News(number, "payment.updated", "", "", "{}"))
            await session.commit()
            return await look_at(desk_of(session, self.client, self.counter.settings), number)

        return piece

    def checked(self, order_id: int) -> Piece:
        """What `check-status` does."""
        return lambda session: desk_of(session, self.client, self.counter.settings).look(order_id)

    def refunded(self, order_id: int, amount: str | None) -> Piece:
        wish = Wish(order_id, None if amount is None else Decimal(amount))
        staff = self.counter.principal(self.counter.staff)
        return lambda session: desk_of(session, self.client, self.counter.settings).refund(wish, staff)

    async def numbers(self, order_id: int) -> dict[str, Any]:
        """What is stored of an order and its payment."""
        row = await self.pairs.arena.pool.fetchrow(
            """
            SELECT o.status AS order, p.status AS payment, p.captured_amount AS captured,
                   p.refunded_amount AS refunded,
                   (SELECT count(*) FROM order_event e WHERE e.order_id = o.id AND e.status = 'paid') AS paid,
                   (SELECT count(*) FROM payment_charge c WHERE c.payment_id = p.id) AS charges,
                   (SELECT count(*) FROM payment_charge c WHERE c.payment_id = p.id AND c.settling) AS settling,
                   (SELECT array_agg(r.state ORDER BY r.id) FROM payment_refund r
                      JOIN payment_charge c ON c.id = r.charge_id WHERE c.payment_id = p.id) AS refunds
              FROM orders o JOIN payment p ON p.order_id = o.id WHERE o.id = $1
            """,
            order_id,
        )
        return dict(row)

    def at_the_provider(self, kind: str, number: str) -> Decimal:
        moves = self.counter.till.ledger
        return sum((move.amount for move in moves if (move.kind, str(move.payment_id)) == (kind, number)), Decimal(0))


@pytest.fixture(scope="module")
async def till(
    worker_name: str, settings: Settings, full_rounds: bool, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Till]:
    registry.load()
    announce(JOBS)
    account: Path = tmp_path_factory.mktemp("pairs") / "service-account.json"
    async with (
        fresh_database(f"money_{worker_name}") as url,
        directing(url, GATED) as director,
        standing(url, []) as arena,
        open_sandbox(account) as sandbox,
    ):
        paying = msgspec.structs.replace(settings, mercadopago_base_url=f"{sandbox.url}/mercadopago", database_url=url)
        engine = create_async_engine(paying.sqlalchemy_url)
        sessions = async_sessionmaker(engine, expire_on_commit=False)
        async with (
            MercadoPagoClient.from_settings(paying) as own,
            SteppingClient.from_settings(paying) as client,
            sessions() as db,
            httpx.AsyncClient(verify=trusted()) as nobody,
        ):
            counter = await make_counter(nobody, db, paying, sessions, sandbox, own)
            yield Till(Pairs(director, arena, None if full_rounds else SAMPLE), counter, client)
        await engine.dispose()


async def play(till: Till, scene: Any) -> None:
    await till.pairs.play(GATED, scene, at_least=4, once=True)


async def test_webhook_and_webhook(till: Till) -> None:
    async def scene() -> Scene:
        order_id, preference = await till.started()
        number = await till.counter.pay(preference, tell=False)

        async def judge(outcomes: list[Any]) -> None:
            assert sorted(outcomes) == [False, True]
            found = await till.numbers(order_id)
            assert (found["order"], found["payment"], found["captured"]) == ("paid", "approved", Decimal(100))
            assert (found["paid"], found["charges"], found["settling"], found["refunds"]) == (1, 1, 1, None)

        return [till.told(number), till.told(number)], judge

    await play(till, scene)


async def test_two_payments_of_one_order(till: Till) -> None:
    """Paid twice at the provider: one settles the order, the other's money is to go back, whichever is told first."""

    async def scene() -> Scene:
        order_id, preference = await till.started()
        numbers = [await till.counter.pay(preference, tell=False) for _ in range(2)]

        async def judge(outcomes: list[Any]) -> None:
            # The one that goes back changes nothing in the payment as it is told.
            assert True in outcomes
            assert set(outcomes) <= {True, False}
            found = await till.numbers(order_id)
            assert (found["order"], found["payment"], found["captured"]) == ("paid", "approved", Decimal(100))
            assert (found["paid"], found["charges"], found["settling"]) == (1, 2, 1)
            assert found["refunds"] == ["requested"]

        return [till.told(number) for number in numbers], judge

    await play(till, scene)


async def test_news_that_overtake_each_other(till: Till) -> None:
    """The payment is approved while it is read as pending by somebody else: it never goes back."""

    async def scene() -> Scene:
        order_id, preference = await till.started()
        number = await till.counter.pay(preference, "CONT", tell=False)

        async def approve(session: AsyncSession) -> bool:
            await till.counter.turn(number, "approved", "accredited", tell=False)
            return await till.told(number)(session)

        async def judge(outcomes: list[Any]) -> None:
            assert not [each for each in outcomes if isinstance(each, Exception)]
            found = await till.numbers(order_id)
            assert (found["order"], found["payment"]) == ("paid", "approved")
            assert (found["paid"], found["charges"], found["settling"]) == (1, 1, 1)

        return [till.told(number), approve], judge

    await play(till, scene)


async def test_webhook_and_check_status(till: Till) -> None:
    async def scene() -> Scene:
        order_id, preference = await till.started()
        number = await till.counter.pay(preference, tell=False)

        async def judge(outcomes: list[Any]) -> None:
            assert sorted(map(int, outcomes)) == [0, 1]
            found = await till.numbers(order_id)
            assert (found["order"], found["payment"], found["captured"]) == ("paid", "approved", Decimal(100))
            assert (found["paid"], found["charges"], found["settling"], found["refunds"]) == (1, 1, 1, None)

        return [till.told(number), till.checked(order_id)], judge

    await play(till, scene)


@pytest.mark.parametrize("amount", ["40.00", None], ids=["part", "all"])
async def test_refund_and_webhook(till: Till, amount: str | None) -> None:
    async def scene() -> Scene:
        order_id, number = await till.paid()
        back = Decimal(amount or 100)

        async def judge(outcomes: list[Any]) -> None:
            assert not [each for each in outcomes if isinstance(each, Exception)]
            found = await till.numbers(order_id)
            status = ("paid", "approved") if amount else ("cancelled", "refunded")
            assert (found["order"], found["payment"], found["refunded"]) == (*status, back)
            assert found["refunds"] == ["done"]
            assert till.at_the_provider("refund", number) == back

        return [till.refunded(order_id, amount), till.told(number)], judge

    await play(till, scene)


async def test_refund_and_refund(till: Till) -> None:
    """Two members of staff give sixty of a hundred back: there is enough for one."""

    async def scene() -> Scene:
        order_id, number = await till.paid()

        async def judge(outcomes: list[Any]) -> None:
            refused = [each for each in outcomes if isinstance(each, AppError)]
            assert len(refused) == 1
            assert (await till.numbers(order_id))["refunded"] == Decimal(60)
            assert till.at_the_provider("refund", number) == Decimal(60)

        return [till.refunded(order_id, "60.00"), till.refunded(order_id, "60.00")], judge

    await play(till, scene)
