"""The update from the sources: who may ask, which source is heard, what is believed, what stays when all are silent."""

import datetime as dt
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.clients import dollar_rates
from app.clients.dollar_rates import DollarRateClient
from app.domain.rates.models import DollarRate
from app.domain.rates.service import RateService
from app.jobs.queue import defer
from app.jobs.rates import update_rates
from app.jobs.runner import create_queue
from app.jobs.work import Work, open_providers
from app.server import Relampago
from app.settings import Settings
from sandbox.faults import Fault
from sandbox.rates_table import Change
from sandbox.server import Sandbox
from tests.shop import People

URL = "/api/payments/update-dollar-rate/"
RATES = "/api/payments/dollar-rates/"
DOWN = {"error": "No source of exchange rates answers; the last rate stays.", "code": "provider_unavailable"}
SOURCES = ("dolarapi", "bluelytics", "argentinadatos")


def silence(sandbox: Sandbox, *providers: Any, **fault: Any) -> None:
    for provider in providers or SOURCES:
        sandbox.world.faults.add(Fault(provider=provider, **({"status": 500, "times": 50} | fault)))


def asked(sandbox: Sandbox) -> list[str]:
    return [arrival.provider for arrival in sandbox.world.ledger.requests]


async def test_get_and_post_bring_the_rate(client: httpx.AsyncClient, sandbox: Sandbox) -> None:
    answer = await client.get(URL)
    assert answer.status_code == 200
    assert set(answer.json()) == {"success", "rate"}
    assert answer.json()["success"] is True
    rate = answer.json()["rate"]
    assert (rate["value"], rate["rate_type"], rate["rate_type_display"]) == ("1460.00", "blue", "Dólar Blue")
    assert (rate["auto_update"], rate["is_active"], rate["updated_by"]) == (True, True, None)
    assert answer.headers["cache-control"] == "no-store"
    assert asked(sandbox) == ["dolarapi"]
    official = await client.post(URL, params={"rate_type": "official"})
    assert (official.status_code, official.json()["rate"]["value"]) == (200, "1450.00")
    assert (await client.get(RATES)).json()["count"] == 2


async def test_an_unchanged_value_confirms_the_rate_and_a_new_one_replaces_it(
    client: httpx.AsyncClient, sandbox: Sandbox, db: AsyncSession
) -> None:
    first = (await client.get(URL)).json()["rate"]
    again = (await client.get(URL)).json()["rate"]
    assert again["id"] == first["id"]
    assert again["update_date"] > first["update_date"]
    sandbox.world.rates.change(Change("blue", Decimal("1470.555"), Decimal(1450)))
    other = (await client.get(URL)).json()["rate"]
    assert other["id"] != first["id"]
    assert other["value"] == "1470.56"
    rows = (await db.execute(select(DollarRate.is_active).order_by(DollarRate.id))).scalars().all()
    assert rows == [False, True]


@pytest.mark.parametrize("rate_type", ["euro", "manual", "BLUE", "blue,official"])
async def test_unknown_types_are_refused(client: httpx.AsyncClient, sandbox: Sandbox, rate_type: str) -> None:
    answer = await client.get(URL, params={"rate_type": rate_type})
    assert (answer.status_code, answer.json()) == (400, {"error": "rate_type is blue or official."})
    assert asked(sandbox) == []


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 404}, {"status": 502}, {"drop": True}])
async def test_the_next_source_is_asked_when_one_fails(
    client: httpx.AsyncClient, sandbox: Sandbox, fault: dict[str, Any]
) -> None:
    silence(sandbox, "dolarapi", **{"status": None, "times": 1, **fault})
    assert (await client.get(URL)).json()["rate"]["value"] == "1460.00"
    assert asked(sandbox) == ["dolarapi", "bluelytics"]


async def test_the_third_source_is_asked_for_yesterday_too(client: httpx.AsyncClient, sandbox: Sandbox) -> None:
    silence(sandbox, "dolarapi", "bluelytics")
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    sandbox.world.rates.change(Change("blue", Decimal(1463), Decimal(1440), at=yesterday))
    assert (await client.get(URL)).json()["rate"]["value"] == "1463.00"
    assert asked(sandbox) == ["dolarapi", "bluelytics", "argentinadatos", "argentinadatos"]


async def test_late_answers_are_not_waited_for(
    client: httpx.AsyncClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dollar_rates, "ANSWER_SECONDS", 0.1)
    silence(sandbox, "dolarapi", status=None, delay_seconds=5)
    assert (await client.get(URL)).json()["rate"]["value"] == "1460.00"
    assert asked(sandbox) == ["dolarapi", "bluelytics"]


async def test_when_all_are_silent_the_old_rate_stays_and_is_stale(
    client: httpx.AsyncClient, sandbox: Sandbox, db: AsyncSession
) -> None:
    before = (await client.get(URL)).json()["rate"]
    silence(sandbox)
    answer = await client.get(URL)
    assert (answer.status_code, answer.json()) == (503, DOWN)
    assert answer.headers["retry-after"] == "60"
    effective = await RateService(db).effective()
    assert effective is not None
    assert (effective.id, effective.value, effective.stale) == (before["id"], Decimal("1460.00"), True)
    await db.rollback()
    sandbox.world.faults.reset()
    assert (await client.get(URL)).status_code == 200
    effective = await RateService(db).effective()
    assert effective is not None
    assert effective.stale is False


async def test_a_source_that_keeps_failing_is_asked_last_until_it_answers(
    client: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    silence(sandbox, "dolarapi", times=3)
    for _ in range(3):
        await client.get(URL)
    sandbox.world.ledger.reset()
    await client.get(URL)
    assert asked(sandbox) == ["bluelytics"]
    silence(sandbox, "bluelytics", "argentinadatos", times=1)
    assert (await client.get(URL)).status_code == 200
    sandbox.world.ledger.reset()
    await client.get(URL)
    assert asked(sandbox) == ["dolarapi"]


async def test_a_jump_is_believed_when_a_second_source_says_so(client: httpx.AsyncClient, sandbox: Sandbox) -> None:
    await client.get(URL)
    sandbox.world.rates.change(Change("blue", Decimal(2900), Decimal(2800)))
    sandbox.world.ledger.reset()
    assert (await client.get(URL)).json()["rate"]["value"] == "2900.00"
    assert asked(sandbox) == ["dolarapi", "bluelytics"]


async def test_a_jump_that_no_other_source_confirms_is_not_believed(
    client: httpx.AsyncClient, sandbox: Sandbox, db: AsyncSession
) -> None:
    await client.get(URL)
    silence(sandbox, "bluelytics", "argentinadatos")
    sandbox.world.rates.change(Change("blue", Decimal(146), Decimal(144)))
    assert (await client.get(URL)).status_code == 503
    assert (await db.execute(select(DollarRate.value))).scalars().all() == [Decimal("1460.00")]


@pytest.mark.parametrize(
    "change",
    [
        Change("blue", Decimal(0), Decimal(1440)),
        Change("blue", Decimal(-5), Decimal(-6)),
        Change("blue", Decimal(1400), Decimal(1440)),
        Change("blue", Decimal(10) ** 12, None),
        Change("blue", Decimal(1460), Decimal(1440), at=dt.datetime.now(dt.UTC) - dt.timedelta(days=9)),
    ],
)
async def test_what_cannot_be_is_not_believed(
    client: httpx.AsyncClient, sandbox: Sandbox, db: AsyncSession, change: Change
) -> None:
    sandbox.world.rates.change(change)
    assert (await client.get(URL)).status_code == 503
    assert (await db.execute(select(DollarRate))).first() is None


async def test_in_production_the_key_is_needed(
    app: Relampago, client: httpx.AsyncClient, sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = msgspec.structs.replace(settings, app_env="production", cronjob_auth_key="la-clave-de-la-tienda")
    monkeypatch.setitem(app.state._state, "settings", live)
    for refused in ({}, {"api_key": ""}, {"api_key": "la-clave-de-la-tiendA"}, {"api_key": "demo-cron-key"}):
        answer = await client.get(URL, params=refused)
        assert (answer.status_code, set(answer.json())) == (401, {"error"})
    assert asked(sandbox) == []
    key = "la-clave-de-la-tienda"
    assert (await client.get(URL, params={"api_key": key})).status_code == 200
    assert (await client.get(URL, headers={"Authorization": key})).status_code == 200
    assert (await client.get(URL, headers={"Authorization": f"Bearer {key}"})).status_code == 200
    assert (await client.post(URL, json={"auth_key": key})).status_code == 200


async def test_in_development_a_wrong_key_is_refused_and_none_is_fine(
    client: httpx.AsyncClient, sandbox: Sandbox, people: People
) -> None:
    for headers in ({"Authorization": "wrong"}, {"Authorization": "Bearer wrong"}):
        assert (await client.get(URL, headers=headers)).status_code == 401
    assert (await client.get(URL, params={"api_key": "wrong"})).status_code == 401
    assert (await client.get(URL, headers=people.staff)).status_code == 200
    assert asked(sandbox) == ["dolarapi"]


async def test_the_job_follows_both_and_leaves_what_a_person_keeps(  # noqa: PLR0917 - fixtures
    client: httpx.AsyncClient,
    sandbox: Sandbox,
    people: People,
    rate_settings: Settings,
    sessions: async_sessionmaker[AsyncSession],
    rates_client: DollarRateClient,
) -> None:
    kept = {"value": "1300.00", "rate_type": "blue"}
    await client.post(RATES, json=kept, headers=people.staff)
    await update_rates.run(Work(rate_settings, sessions, rates=rates_client))
    rates = {rate["rate_type"]: rate["value"] for rate in (await client.get(RATES)).json()["results"]}
    assert rates == {"blue": "1300.00", "official": "1450.00"}
    assert asked(sandbox) == ["dolarapi"]
    assert (await client.get(URL)).json()["rate"]["value"] == "1460.00"


@pytest.mark.usefixtures("client")
async def test_a_workers_runs_remember_together_who_keeps_failing(
    sandbox: Sandbox, rate_settings: Settings, sessions: async_sessionmaker[AsyncSession], db: AsyncSession
) -> None:
    """Three failures in two runs of two questions each: the fourth question goes to another source first."""
    sandbox.world.faults.add(Fault(provider="dolarapi", status=500, times=9))
    async with open_providers(rate_settings) as providers:
        queue = create_queue(rate_settings, sessions, [update_rates], providers=providers)
        for _ in range(2):
            await defer(db, "rates:update")
        await db.commit()
        async with queue.open_async():
            await queue.run_worker_async(wait=False, concurrency=1, install_signal_handlers=False, listen_notify=False)
    assert sorted(asked(sandbox)) == ["bluelytics"] * 4 + ["dolarapi"] * 3
