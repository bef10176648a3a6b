"""Exchange rates over HTTP: shape, who sees which, one active of each type, refusals; and which one counts."""

import asyncio
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import literal_column, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.models import ActivityLog
from app.domain.rates import queries
from app.domain.rates.models import DollarRate
from app.domain.rates.service import EffectiveRate, RateService
from tests.shop import People

URL = "/api/payments/dollar-rates/"
KEYS = {
    "id", "value", "rate_type", "rate_type_display", "auto_update", "is_active", "update_date", "updated_by",
    "updated_by_name", "created_at", "updated_at",
}  # fmt: skip


async def make(client: httpx.AsyncClient, people: People, **body: Any) -> dict[str, Any]:
    answer = await client.post(URL, json={"value": "1000.00", **body}, headers=people.staff)
    assert answer.status_code == 201, answer.text
    rate: dict[str, Any] = answer.json()
    return rate


async def test_create_answers_the_contracts_shape(client: httpx.AsyncClient, people: People) -> None:
    rate = await make(client, people, value=1200.5, rate_type="blue", auto_update=True)
    assert set(rate) == KEYS
    assert (rate["value"], rate["rate_type"], rate["rate_type_display"]) == ("1200.50", "blue", "Dólar Blue")
    assert (rate["auto_update"], rate["is_active"]) == (True, True)
    assert isinstance(rate["updated_by"], int)
    assert rate["updated_by_name"].startswith("user")
    assert (await client.get(f"{URL}{rate['id']}/")).json() == rate
    assert (await make(client, people))["rate_type_display"] == "Manual"
    assert (await make(client, people, rate_type="official"))["rate_type_display"] == "Dólar Oficial"


async def test_a_new_active_rate_switches_off_the_older_of_its_type(client: httpx.AsyncClient, people: People) -> None:
    first = await make(client, people, rate_type="blue")
    other = await make(client, people, rate_type="official")
    kept_off = await make(client, people, rate_type="blue", is_active=False)
    second = await make(client, people, rate_type="blue")
    public = (await client.get(URL)).json()
    assert [rate["id"] for rate in public["results"]] == [second["id"], other["id"]]
    every = (await client.get(URL, headers=people.staff)).json()
    assert {rate["id"]: rate["is_active"] for rate in every["results"]} == {
        first["id"]: False,
        other["id"]: True,
        kept_off["id"]: False,
        second["id"]: True,
    }
    assert (await client.get(f"{URL}{first['id']}/")).status_code == 404
    assert (await client.get(f"{URL}{first['id']}/", headers=people.shopper)).status_code == 404
    again = await client.patch(f"{URL}{first['id']}/", json={"is_active": True}, headers=people.staff)
    assert (again.status_code, again.json()["is_active"]) == (200, True)
    assert (await client.get(f"{URL}{second['id']}/")).status_code == 404


async def test_put_and_patch(client: httpx.AsyncClient, people: People, db: AsyncSession) -> None:
    rate = await make(client, people, rate_type="blue", auto_update=True)
    put = await client.put(f"{URL}{rate['id']}/", json={"value": "1300"}, headers=people.staff)
    assert (put.status_code, put.json()["value"], put.json()["rate_type"]) == (200, "1300.00", "blue")
    assert put.json()["update_date"] > rate["update_date"]
    patched = await client.patch(f"{URL}{rate['id']}/", json={"rate_type": "manual"}, headers=people.staff)
    assert (patched.json()["rate_type"], patched.json()["update_date"]) == ("manual", put.json()["update_date"])
    missing = await client.put(f"{URL}{rate['id']}/", json={}, headers=people.staff)
    assert (missing.status_code, missing.json()) == (400, {"value": ["This field is required."]})
    rows = (await db.execute(select(ActivityLog.action, ActivityLog.changes).order_by(ActivityLog.id))).all()
    assert [row.action for row in rows] == ["create", "update", "update"]
    assert rows[1].changes == {"value": ["1000.00", "1300.00"]}


async def test_delete(client: httpx.AsyncClient, people: People) -> None:
    rate = await make(client, people)
    gone = await client.delete(f"{URL}{rate['id']}/", headers=people.staff)
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await client.get(f"{URL}{rate['id']}/")).json() == {"detail": "Not found."}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "value"),
        ({"value": 0}, "value"),
        ({"value": "-1"}, "value"),
        ({"value": "0.001"}, "value"),
        ({"value": "NaN"}, "value"),
        ({"value": "123456789.00"}, "value"),
        ({"value": "1", "rate_type": "euro"}, "rate_type"),
        ({"value": "1", "is_active": "perhaps"}, "is_active"),
    ],
)
async def test_wrong_rates_are_refused(
    client: httpx.AsyncClient, people: People, db: AsyncSession, body: dict[str, Any], field: str
) -> None:
    answer = await client.post(URL, json=body, headers=people.staff)
    assert answer.status_code == 400
    assert set(answer.json()) == {field}
    assert (await db.execute(select(DollarRate))).first() is None


async def test_only_staff_write(client: httpx.AsyncClient, people: People) -> None:
    rate = await make(client, people)
    for headers, status in ((people.nobody, 401), (people.shopper, 403)):
        answers = [
            await client.post(URL, json={"value": "1"}, headers=headers),
            await client.put(f"{URL}{rate['id']}/", json={"value": "1"}, headers=headers),
            await client.patch(f"{URL}{rate['id']}/", json={"value": "1"}, headers=headers),
            await client.delete(f"{URL}{rate['id']}/", headers=headers),
        ]
        assert [answer.status_code for answer in answers] == [status] * 4
    assert (await client.get(f"{URL}{rate['id']}/")).json() == rate


async def test_parallel_active_rates_leave_one(client: httpx.AsyncClient, people: People, db: AsyncSession) -> None:
    values = [f"{1000 + n}.00" for n in range(8)]
    made = await asyncio.gather(*(make(client, people, value=value, rate_type="blue") for value in values))
    assert len({rate["id"] for rate in made}) == 8
    active = (await db.execute(select(DollarRate.value).where(DollarRate.is_active))).scalars().all()
    assert len(active) == 1


async def test_the_effective_rate_is_manual_then_blue_then_official(
    client: httpx.AsyncClient, people: People, db: AsyncSession
) -> None:
    service = RateService(db)
    assert await service.effective() is None
    assert (await db.execute(select(queries.effective_value()))).scalar_one() is None
    for value, kind in (("900.00", "official"), ("1000.00", "blue"), ("1100.00", "manual")):
        rate = await make(client, people, value=value, rate_type=kind)
        expected = EffectiveRate(Decimal(value), rate["rate_type"], rate["id"], stale=False)
        assert await service.effective() == expected
        assert (await db.execute(select(queries.effective_value()))).scalar_one() == Decimal(value)
        await db.rollback()
    await client.patch(f"{URL}{rate['id']}/", json={"is_active": False}, headers=people.staff)
    effective = await service.effective()
    assert effective is not None
    assert effective.type == "blue"


@pytest.mark.parametrize(
    ("auto_update", "hours", "silent", "stale"),
    [(True, 0, False, False), (True, 25, False, True), (True, 0, True, True), (False, 9000, True, False)],
)
async def test_a_rate_that_follows_the_sources_ages(
    client: httpx.AsyncClient,
    people: People,
    db: AsyncSession,
    *,
    auto_update: bool,
    hours: int,
    silent: bool,
    stale: bool,
) -> None:
    await make(client, people, rate_type="blue", auto_update=auto_update)
    since = text("now()") if silent else None
    age = text(f"now() - interval '{hours} hours'")
    await db.execute(update(DollarRate).values(update_date=age, stale_since=since))
    effective = await RateService(db).effective()
    assert effective is not None
    assert effective.stale is stale


@pytest.mark.parametrize(
    ("price", "currency", "pesos"),
    [("10.00", "USD", "12345.60"), ("0.01", "USD", "12.35"), ("10.00", "ARS", "10.00")],
)
async def test_in_pesos_rounds_half_up(db: AsyncSession, price: str, currency: str, pesos: str) -> None:
    db.add(DollarRate(value=Decimal("1234.56")))
    await db.commit()
    expression = queries.in_pesos(literal_column(f"{price}::numeric"), literal_column(f"'{currency}'"))
    assert (await db.execute(select(expression))).scalar_one() == Decimal(pesos)
