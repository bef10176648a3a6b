"""The checker itself: each promise broken by hand, one at a time, is seen under its own name."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from tests.chaos.checker import check, taken_up
from tests.chaos.journal import Call
from tests.chaos.settling import settle
from tests.chaos.shoppers import Mall
from tests.chaos.wishes import Wishes
from tests.chaos.world import World

pytestmark = pytest.mark.full_only
MAIL_JOB = "SELECT id FROM procrastinate_jobs WHERE task_name = 'send_order_mail' AND status = 'succeeded' ORDER BY id"
SENT = "SELECT id FROM mail WHERE status = 'sent' ORDER BY id"
TOLD_OF_IT = """
    SELECT id FROM procrastinate_jobs
     WHERE task_name = 'send_order_mail' AND args ->> 'kind' = 'payment_received'
       AND (args ->> 'order_id')::bigint = $1
"""
ONCE_A_DAY = "uq_push_log_device_token_id_promo_id_sent_date"
PUSHED = """
    INSERT INTO push_log (device_token_id, user_id, promo_notification_id, promo_id, notification_type, title, body,
                          state, due_at, expires_at, collapse_id)
    SELECT -1, -1, -1, -1, 'general', 'one', 'two', 'sent', now(), now(), '' FROM generate_series(1, 2)
"""
AGAIN = """
    INSERT INTO payment_refund (charge_id, amount, request_mark, number, state, origin)
    SELECT charge_id, amount, request_mark, number || ' again', state, origin FROM payment_refund WHERE id = $1
"""
NOBODYS_JOB = "INSERT INTO procrastinate_jobs (task_name, queue_name, status) VALUES ('probe:nobodys', 'none', 'doing')"


class Scene:
    """A shop in which every kind of thing has happened once, and all is well."""

    def __init__(self, world: World, mall: Mall) -> None:
        self.world, self.wishes, self.mall = world, Wishes(world, mall, 0), mall
        self.monkeypatch: pytest.MonkeyPatch
        self.calls: dict[str, Call] = {}

    async def play(self) -> None:
        """An order with a coupon, one that is paid, one of whose money a part comes back, and a page to pay."""
        order = await self.wishes.make("order")
        order.body["coupon_code"] = self.mall.coupon
        for call in (order, await self.wishes.make("refund"), await self.wishes.make("pay")):
            self.calls[call.kind] = await self.wishes.insist(call)
            assert call.end == "ack", (call.kind, call.status, call.answer)
        await settle(self.world)

    async def first(self, statement: str, *arguments: Any) -> int:
        return int(await self.world.value(f"{statement} LIMIT 1", *arguments))

    @asynccontextmanager
    async def changed(self, table: str, key: int, **values: Any) -> AsyncIterator[None]:
        """A row says something else, for as long as the block lasts."""
        old = (await self.world.sql(f"SELECT {', '.join(values)} FROM {table} WHERE id = $1", key))[0]
        names = ", ".join(f"{name} = ${number}" for number, name in enumerate(values, 2))
        update = f"UPDATE {table} SET {names} WHERE id = $1"
        await self.world.sql(update, key, *values.values())
        try:
            yield
        finally:
            await self.world.sql(update, key, *old.values())

    @asynccontextmanager
    async def without(self, table: str, constraint: str, statement: str, *arguments: Any) -> AsyncIterator[None]:
        """Rows that a constraint forbids."""
        definition = await self.world.value(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1 AND conrelid = $2::text::regclass",
            constraint,
            table,
        )
        last = await self.world.value(f"SELECT COALESCE(max(id), 0) FROM {table}")
        await self.world.sql(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
        try:
            await self.world.sql(statement, *arguments)
            yield
        finally:
            await self.world.sql(f"DELETE FROM {table} WHERE id > $1", last)
            await self.world.sql(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {definition}")

    @asynccontextmanager
    async def told(self, path: str, change: Callable[[list[Any]], list[Any]]) -> AsyncIterator[None]:
        """A provider's ledger has other entries."""
        with self.monkeypatch.context() as patch:
            truly = self.world.told

            async def untruly(asked: str) -> Any:
                return change(await truly(asked)) if asked == path else await truly(asked)

            patch.setattr(self.world, "told", untruly)
            yield


Break = Callable[[Scene], AbstractAsyncContextManager[None]]
BREAKS: dict[str, Break] = {}


def breaks(name: str) -> Callable[[Break], Break]:
    """How a promise is broken, by what the checker has to say."""

    def noted(how: Break) -> Break:
        BREAKS[name] = asynccontextmanager(how)  # type: ignore[arg-type]
        return how

    return noted


@breaks("I4: an attempt to pay that nobody finished")
async def _attempt(scene: Scene) -> AsyncIterator[None]:
    ready = await scene.first("SELECT id FROM payment_attempt WHERE state = 'ready' ORDER BY id DESC")
    now = await scene.world.value("SELECT now()")
    async with scene.changed("payment_attempt", ready, state="requested", updated_at=now):
        yield


@breaks("I4: a refund twice at the provider")
async def _twice(scene: Scene) -> AsyncIterator[None]:
    async with scene.told("/mercadopago/__emu__/ledger", lambda moves: moves + _last(moves, kind="refund")):
        yield


@breaks("I4: one wish, several refunds")
async def _several(scene: Scene) -> AsyncIterator[None]:
    done = await scene.first("SELECT id FROM payment_refund WHERE request_mark IS NOT NULL AND state = 'done'")
    async with scene.without("payment_refund", "uq_payment_refund_request_mark", AGAIN, done):
        yield


@breaks("I4: a refund nobody asked for")
async def _unasked(scene: Scene) -> AsyncIterator[None]:
    calls, place = scene.world.journal.calls, scene.world.journal.calls.index(scene.calls["refund"])
    call = calls.pop(place)
    try:
        yield
    finally:
        calls.insert(place, call)


@breaks("I5: a coupon beyond its uses")
async def _coupon(scene: Scene) -> AsyncIterator[None]:
    coupon, used = (await scene.world.sql("SELECT id, used FROM coupon WHERE code = $1", scene.mall.coupon))[0]
    async with scene.changed("coupon", coupon, used=used + 1):
        yield


@breaks("I5: a discount without its use, or a use without its order")
async def _discount(scene: Scene) -> AsyncIterator[None]:
    order, now = scene.calls["order"].answer["id"], await scene.world.value("SELECT now()")
    use = await scene.first("SELECT id FROM coupon_use WHERE order_id = $1", order)
    async with scene.changed("coupon_use", use, given_back_at=now):
        yield


@breaks("I6: more than one push of a promotion to a user in a day")
async def _pushed(scene: Scene) -> AsyncIterator[None]:
    async with scene.without("push_log", ONCE_A_DAY, PUSHED):
        yield


@breaks("I6: a push twice")
async def _push(scene: Scene) -> AsyncIterator[None]:
    push = {"token": "a", "title": "b", "body": "c", "data": {}}
    async with scene.told("/pushes.json", lambda pushes: [*pushes, push, push]):
        yield


@breaks("I7: a paid order without the mail that says so")
async def _no_mail(scene: Scene) -> AsyncIterator[None]:
    paid = scene.calls["refund"].facts["order"]
    async with scene.changed("procrastinate_jobs", await scene.first(TOLD_OF_IT, paid), task_name="probe:another"):
        yield


@breaks("I7: a mail that is neither sent nor given up")
async def _waits(scene: Scene) -> AsyncIterator[None]:
    async with scene.changed("mail", await scene.first(SENT), status="queued", sent_at=None):
        yield


@breaks("I7: a job that failed")
async def _failed(scene: Scene) -> AsyncIterator[None]:
    async with scene.changed("procrastinate_jobs", await scene.first(MAIL_JOB), status="failed"):
        yield


@breaks("I7: a mail twice")
async def _mail(scene: Scene) -> AsyncIterator[None]:
    async with scene.told("/__emu__/mails", lambda mails: [*mails, mails[0] | {"message_id": "<another>"}]):
        yield


@breaks("I7: a mail that is sent by its row and never arrived, or the other way round")
async def _lost(scene: Scene) -> AsyncIterator[None]:
    async with scene.told("/__emu__/mails", lambda mails: mails[1:]):
        yield


@breaks("I8: a running job without a living worker")
async def _nobodys(scene: Scene) -> AsyncIterator[None]:
    job = await scene.world.value(f"{NOBODYS_JOB} RETURNING id")
    try:
        yield
    finally:
        await scene.world.sql("DELETE FROM procrastinate_jobs WHERE id = $1", job)


@asynccontextmanager
async def _connected(scene: Scene, name: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(scene.world.cluster.url, server_settings={"application_name": name})
    try:
        yield connection
    finally:
        await connection.close()


@breaks("I9: a transaction that nobody ends")
async def _idle(scene: Scene) -> AsyncIterator[None]:
    async with _connected(scene, "idle") as connection:
        await connection.execute("BEGIN; SELECT 1")
        await asyncio.sleep(5.2)
        yield


@breaks("I9: a lock that nobody releases")
async def _locked(scene: Scene) -> AsyncIterator[None]:
    async with _connected(scene, "relampago-keys") as connection:
        await connection.execute("SELECT pg_advisory_lock(751)")
        yield


@breaks("I10: kept, and its work is not there")
async def _no_page(scene: Scene) -> AsyncIterator[None]:
    page = scene.calls["pay"].answer["init_point"]
    attempt = await scene.first("SELECT id FROM payment_attempt WHERE init_point = $1", page)
    async with scene.changed("payment_attempt", attempt, init_point=""):
        yield


def _last(moves: list[Any], kind: str) -> list[Any]:
    return [move for move in moves if move["kind"] == kind][-1:]


@pytest.fixture(scope="module")
async def scene(world: World) -> Scene:
    mall = Mall(world)
    await mall.open()
    found = Scene(world, mall)
    await found.play()
    return found


@pytest.mark.parametrize("name", BREAKS)
async def test_a_broken_promise_is_seen_by_its_name(scene: Scene, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    scene.monkeypatch = monkeypatch
    async with BREAKS[name](scene):
        found = (await check(scene.world)).found
    assert [one for one in found if one.startswith(name)], found
    (await check(scene.world)).prove()


def test_a_refund_that_another_wish_has_ended() -> None:
    """It has to be of the same order and amount, and the first time has to have been lost on its way."""

    def wish(number: int, order: int, tries: int, end: str) -> Call:
        facts = {"order": order, "amount": "10.00"}
        call = Call(number=number, kind="refund", user=1, method="POST", path="/", key=f"{number}", facts=facts)
        call.tries, call.end = tries, end
        return call

    lost, plain, unknown = wish(1, 7, 2, "ack"), wish(2, 8, 1, "ack"), wish(3, 9, 1, "unknown")
    asked = {bytes([call.number]): call for call in (lost, plain, unknown)}
    again = {bytes([10 + order]): wish(10 + order, order, 1, "ack") for order in (6, 7, 8, 9)}
    assert taken_up(asked | again, asked.keys()) == {bytes([17]), bytes([19])}
    assert taken_up(asked | again, asked.keys() | again.keys()) == set()
