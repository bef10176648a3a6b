"""Notifications that come at once: kept by one statement, each once, and what harms one harms no other."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from app.domain.payments.service.intake import BATCH, EVENT_JOB, STATEMENT, Intake, News
from app.server import Relampago, create_app
from app.settings import Settings
from sandbox.mercadopago_notifier import signature
from tests.payments.counter import REQUEST_ID, Counter

UNAVAILABLE = {"detail": "Service temporarily unavailable, try again later.", "code": "unavailable"}
KEPT = "SELECT resource FROM payment_notification ORDER BY resource"
JOBS = "SELECT args ->> 'resource' FROM procrastinate_jobs WHERE status = 'todo' ORDER BY 1"
FETCH = "SELECT args ->> 'resource' FROM procrastinate_fetch_job_v2(NULL, $1)"


@pytest.fixture
def batches(app: Relampago, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Which payments each statement was about."""
    seen: list[list[str]] = []
    line = app.state.payment_intake._line
    fetch = line.fetch

    async def seeing(statement: str, *arguments: Any) -> Any:
        seen.append(list(arguments[1]))
        return await fetch(statement, *arguments)

    monkeypatch.setattr(line, "fetch", seeing)
    return seen


async def told(counter: Counter, *numbers: str) -> list[int]:
    """The statuses of notifications that are sent at once."""
    answers = await asyncio.gather(*(counter.tell(number) for number in numbers))
    for answer in answers:
        assert answer.status_code != 200 or answer.json() == {"status": "ok"}
        assert (answer.headers.get("retry-after") == "1") == (answer.status_code == 503)
    return [answer.status_code for answer in answers]


async def by_address(counter: Counter, number: str, body: bytes = b"{}") -> httpx.Response:
    """A notification whose body says nothing of the payment."""
    stamp = str(int(time.time()))
    headers = {
        "X-Request-Id": REQUEST_ID,
        "X-Signature": f"ts={stamp},v1={signature(number, REQUEST_ID, stamp)}",
        "Content-Type": "application/json",
    }
    query = {"data.id": number, "type": "payment"}
    return await counter.client.post("/api/payments/", params=query, content=body, headers=headers)


async def column(counter: Counter, statement: str) -> list[Any]:
    return [row[0] for row in await counter.rows(statement)]


async def test_the_same_three_times_in_one_batch(counter: Counter, batches: list[list[str]]) -> None:
    assert await told(counter, "7", "7", "7") == [200] * 3
    assert batches == [["7", "7", "7"]]
    assert await column(counter, KEPT) == ["7"]
    assert await counter.rows(
        "SELECT queue_name, task_name, priority, lock, queueing_lock, args, status::text, scheduled_at, attempts,"
        " (SELECT array_agg(e.type::text) FROM procrastinate_events e WHERE e.job_id = j.id) FROM procrastinate_jobs j"
    ) == [("default", EVENT_JOB, 0, None, f"{EVENT_JOB}:7", {"resource": "7"}, "todo", None, 0, ["deferred"])]


async def test_many_at_once_are_few_statements(counter: Counter, batches: list[list[str]]) -> None:
    numbers = [str(10_000 + n) for n in range(BATCH + 6)]
    assert await told(counter, *numbers) == [200] * len(numbers)
    assert batches == [numbers[:BATCH], numbers[BATCH:]]
    assert await column(counter, KEPT) == numbers
    assert await column(counter, JOBS) == numbers


async def test_one_that_cannot_be_stored_among_many(counter: Counter, batches: list[list[str]]) -> None:
    """No text of the database has a zero in it. The signature is good: the statement is what refuses it."""
    answers = await asyncio.gather(*(by_address(counter, number) for number in ("1", "2", "3\x00", "4", "5")))
    assert [answer.status_code for answer in answers] == [200, 200, 400, 200, 200]
    assert batches == [["1", "2", "3\x00", "4", "5"], ["1"], ["2"], ["3\x00"], ["4"], ["5"]]
    assert await column(counter, KEPT) == ["1", "2", "4", "5"]
    assert await column(counter, JOBS) == ["1", "2", "4", "5"]


@pytest.mark.parametrize("body", [b"{", b'{"type": "payment"', b"[]", b'{"type": 7.5e}', b'{"action": null}', b"\xff"])
async def test_a_body_that_cannot_be_read_is_in_no_batch(
    counter: Counter, batches: list[list[str]], body: bytes
) -> None:
    answers = await asyncio.gather(by_address(counter, "1"), by_address(counter, "2", body), by_address(counter, "3"))
    assert [answer.status_code for answer in answers] == [200, 400, 200]
    assert batches == [["1", "3"]]
    assert await column(counter, KEPT) == ["1", "3"]


async def test_a_forged_one_is_in_no_batch(counter: Counter, batches: list[list[str]]) -> None:
    answers = await asyncio.gather(counter.tell("1"), counter.tell("2", secret="somebody else's"), counter.tell("3"))
    assert [answer.status_code for answer in answers] == [200, 401, 200]
    assert batches == [["1", "3"]]
    assert await column(counter, KEPT) == ["1", "3"]


@pytest.fixture
async def trip(counter: Counter) -> AsyncIterator[Callable[[str, str, str], Any]]:
    """Makes commits fail that have inserted into a table, with an SQLSTATE, under a condition on the row."""
    tables: list[str] = []

    async def arm(table: str, state: str, condition: str = "true") -> None:
        tables.append(table)
        await counter.rows(
            "CREATE FUNCTION test_trip() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION 'tripped' USING ERRCODE = '{state}'; END $$"
        )
        await counter.rows(
            f"CREATE CONSTRAINT TRIGGER test_trip AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED"
            f" FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION test_trip()"
        )

    yield arm
    for table in tables:
        await counter.rows(f"DROP TRIGGER test_trip ON {table}")
        await counter.rows("DROP FUNCTION test_trip")


@pytest.mark.parametrize("state", ["40001", "53100", "57P01"])
@pytest.mark.parametrize("table", ["payment_notification", "procrastinate_jobs"])
async def test_a_commit_that_fails(counter: Counter, trip: Any, table: str, state: str) -> None:
    await trip(table, state)
    answer = await counter.tell("1")
    assert (answer.status_code, answer.json(), answer.headers["retry-after"]) == (503, UNAVAILABLE, "1")
    assert await told(counter, "2", "3") == [503, 503]
    assert await column(counter, KEPT) == []
    assert await column(counter, JOBS) == []


async def test_one_whose_commit_fails_harms_no_other(counter: Counter, trip: Any) -> None:
    await trip("payment_notification", "40001", "new.resource = '2'")
    assert await told(counter, "1", "2", "3") == [200, 503, 200]
    assert await column(counter, KEPT) == ["1", "3"]
    assert await column(counter, JOBS) == ["1", "3"]


async def test_a_job_that_runs_already_has_not_seen_it(counter: Counter) -> None:
    assert await told(counter, "1", "2") == [200, 200]
    await counter.rows("UPDATE procrastinate_jobs SET status = 'doing' WHERE args ->> 'resource' = '1'")
    assert await told(counter, "2", "1", "2") == [200] * 3
    assert await column(counter, JOBS) == ["1", "2"]
    assert await column(counter, "SELECT args ->> 'resource' FROM procrastinate_jobs ORDER BY id") == ["1", "2", "1"]
    assert await column(counter, KEPT) == ["1", "2"]


@pytest.fixture
async def others(database_url: str, counter: Counter) -> AsyncIterator[list[asyncpg.Connection]]:
    """Connections of other processes."""
    opened = [await asyncpg.connect(database_url) for _ in range(3)]
    yield opened
    for connection in opened:
        await connection.close()


def arguments(*numbers: str) -> tuple[Any, ...]:
    return EVENT_JOB, list(numbers), *([""] * len(numbers) for _ in range(3)), ["{}"] * len(numbers)


async def test_a_job_that_waits_starts_after_what_was_told(counter: Counter, others: list[asyncpg.Connection]) -> None:
    teller, worker, _ = others
    await counter.tell("1")
    number = await worker.fetchval("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
    transaction = teller.transaction()
    await transaction.start()
    await teller.fetch(STATEMENT, *arguments("1"))
    assert await worker.fetchval(FETCH, number) is None
    await transaction.commit()
    assert await worker.fetchval(FETCH, number) == "1"


async def test_a_job_that_is_just_being_taken_is_not_counted_on(
    counter: Counter, others: list[asyncpg.Connection]
) -> None:
    _, worker, watcher = others
    await counter.tell("1")
    number = await worker.fetchval("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
    transaction = worker.transaction()
    await transaction.start()
    assert await worker.fetchval(FETCH, number) == "1"
    telling = asyncio.create_task(counter.tell("1"))
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while not await watcher.fetchval(waits):
        assert not telling.done()
    await transaction.commit()
    assert (await telling).status_code == 200
    assert await column(counter, JOBS) == ["1"]
    assert await counter.value("SELECT count(*) FROM procrastinate_jobs") == 2


async def test_who_has_to_wait_too_long_harms_no_other(counter: Counter, others: list[asyncpg.Connection]) -> None:
    await counter.tell("2")
    async with others[0].transaction():
        await others[0].fetch("SELECT FROM procrastinate_jobs FOR UPDATE")
        assert await told(counter, "1", "2", "3") == [200, 503, 200]
    assert await column(counter, KEPT) == ["1", "2", "3"]
    assert await column(counter, JOBS) == ["1", "2", "3"]


async def test_batches_in_opposite_orders_do_not_wait_for_each_other(
    counter: Counter, others: list[asyncpg.Connection], full_rounds: bool
) -> None:
    """No retry hides a deadlock here: the statements are sent as they are."""
    rounds = 200 if full_rounds else 20
    for turn in range(rounds):
        numbers = [str(turn * 100 + n) for n in range(30)]
        mixed = [numbers, numbers[::-1], numbers[15:] + numbers[:15]]
        await asyncio.gather(
            *(one.fetch(STATEMENT, *arguments(*some)) for one, some in zip(others, mixed, strict=True))
        )
    assert await counter.value("SELECT count(*) FROM payment_notification") == rounds * 30
    assert await counter.value("SELECT count(DISTINCT queueing_lock) FROM procrastinate_jobs") == rounds * 30
    assert await counter.value("SELECT count(*) FROM procrastinate_jobs") == rounds * 30


async def test_the_connection_breaks(counter: Counter) -> None:
    assert (await counter.tell("1")).status_code == 200
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'relampago-notifications'"
    assert await column(counter, end + " AND datname = current_database()") == [True]
    assert (await counter.tell("2")).status_code in {200, 503}
    assert (await counter.tell("2")).status_code == 200
    assert await column(counter, KEPT) == ["1", "2"]


async def test_the_database_is_away(counter: Counter, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    away = msgspec.structs.replace(settings, database_url=f"postgresql://nobody@127.0.0.1:{port}/nowhere")
    transport = httpx.ASGITransport(create_app(away), raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        counter.client = client
        assert await told(counter, "1", "2") == [503, 503]
        assert (await counter.tell("1")).json() == UNAVAILABLE
        # What needs no database is answered as ever.
        assert (await counter.tell("1", secret="somebody else's")).status_code == 401
    assert await column(counter, KEPT) == []


async def test_who_closes_finishes_what_is_under_way(counter: Counter, database_url: str) -> None:
    intake = Intake(database_url)
    taking = [asyncio.create_task(intake.take(News(str(n), "", "", "", "{}"))) for n in range(5)]
    await asyncio.sleep(0)
    await intake.close()
    await asyncio.gather(*taking)
    assert await column(counter, KEPT) == ["0", "1", "2", "3", "4"]
