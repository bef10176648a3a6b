"""`promos calendar`."""

import asyncio
import datetime as dt
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.calendar import calendar
from app.settings import Settings
from tests.factories_catalog import make_category
from tests.factories_marketing import HOUR, make_bulk, make_offer, make_scheduled


@pytest.fixture(autouse=True)
def _environment(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("SECRET_KEY", settings.secret_key)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


async def call(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, calendar, list(arguments))


async def test_the_coming_week(db: AsyncSession, settings: Settings) -> None:
    now = dt.datetime.now(settings.zone)
    category = await make_category(db, name="Luces")
    tomorrow = (now + dt.timedelta(days=1)).date()
    times = {"start_time": dt.time(9), "end_time": dt.time(12)}
    await make_scheduled(db, category, name="Mañana", day_of_week=tomorrow.weekday(), discount=Decimal(15), **times)
    await make_scheduled(db, category, name="Apagado", day_of_week=now.weekday(), active=False)
    await make_offer(db, name="Verano", start_date=now - HOUR, end_date=now + HOUR)
    await make_offer(db, name="Lejos", start_date=now + 200 * HOUR, end_date=now + 201 * HOUR)
    await make_bulk(db, name="3x2 ya")
    answer = await call("--json")
    assert answer.exit_code == 0, answer.output
    spans = msgspec.json.decode(answer.output)
    assert {each["name"] for each in spans} == {"Mañana", "Verano", "3x2 ya"}
    (weekly,) = [each for each in spans if each["kind"] == "scheduled discount"]
    start = dt.datetime.combine(tomorrow, dt.time(9), settings.zone)
    assert dt.datetime.fromisoformat(weekly["starts_at"]) == start
    assert dt.datetime.fromisoformat(weekly["ends_at"]) == start + 3 * HOUR
    assert weekly["what"] == "15.00 % off Luces"
    table = await call("--days", "1")
    assert (table.exit_code, "Verano" in table.output, "Lejos" in table.output) == (0, True, False)


async def test_an_empty_week(db: AsyncSession) -> None:
    assert "Nothing" in (await call()).output
    assert (await call("--days", "0")).exit_code == 2
    await db.rollback()
