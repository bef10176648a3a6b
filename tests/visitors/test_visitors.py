"""Visitors: counted exactly, by the address of the request; read by staff."""

import asyncio
import datetime as dt
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.places import Place
from app.domain.visitors import controllers
from app.domain.visitors.models import Visitor
from app.domain.visitors.rules import limit_of, period_of, user_agent_of
from app.server import Relampago
from app.settings import Settings
from tests.shop import People

VISIT = "/api/register-visit/"
PATH = "/api/visitors/"
KEYS = [
    "id", "ip_address", "user_agent", "first_visit", "last_visit", "visit_count", "is_active", "country", "city",
    "referrer",
]  # fmt: skip
DAY = dt.timedelta(days=1)


async def add(db: AsyncSession, address: str, **fields: Any) -> None:
    await db.execute(insert(Visitor).values(ip_address=address, **fields))
    await db.commit()


async def addresses(client: httpx.AsyncClient, people: People, query: str = "") -> list[str]:
    answer = await client.get(PATH + query, headers=people.staff)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return [item["ip_address"] for item in (found if isinstance(found, list) else found["results"])]


async def test_a_visit_and_another(client: httpx.AsyncClient, people: People) -> None:
    said = {"referrer": "https://example.com/?a=1", "country": "Argentina", "city": "Córdoba", "visit_count": 99}
    first = await client.post(VISIT, json=said, headers={"User-Agent": "Mozilla/5.0\t(test)"})
    assert (first.status_code, first.json()) == (200, {"success": True, "is_new": True, "visit_count": 1})
    again = await client.post(VISIT, headers={"X-Forwarded-For": "198.51.100.7", "User-Agent": ""})
    assert again.json() == {"success": True, "is_new": False, "visit_count": 2}
    (visitor,) = (await client.get(PATH, headers=people.staff)).json()["results"]
    assert list(visitor) == KEYS
    assert visitor == visitor | {
        "ip_address": "127.0.0.1",
        "user_agent": "Mozilla/5.0 (test)",
        "visit_count": 2,
        "is_active": True,
        "country": "Argentina",
        "city": "Córdoba",
        "referrer": "https://example.com/?a=1",
    }
    assert visitor["first_visit"] < visitor["last_visit"]
    assert (await client.get(f"{PATH}{visitor['id']}/", headers=people.staff)).json() == visitor
    missing = await client.get(f"{PATH}999999999/", headers=people.staff)
    assert (missing.status_code, missing.json()) == (404, {"detail": "Not found."})


async def test_visits_at_once_are_all_counted(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post(VISIT) for _ in range(12)))
    counts = sorted(answer.json()["visit_count"] for answer in answers)
    assert counts == list(range(1, 13))
    assert [answer.json()["is_new"] for answer in answers].count(True) == 1


async def test_behind_a_trusted_proxy(
    client: httpx.AsyncClient, app: Relampago, people: People, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Behind:
        trusted_proxies = 1

        def __getattr__(self, name: str) -> Any:
            return getattr(settings, name)

    monkeypatch.setitem(app.state._state, "settings", Behind())
    await client.post(VISIT, headers={"X-Forwarded-For": "10.0.0.1, 203.0.113.9"})
    await client.post(VISIT, headers={"X-Forwarded-For": "[2001:db8::1]:443"})
    assert await addresses(client, people) == ["2001:db8::1", "203.0.113.9"]


async def test_a_place_that_the_page_does_not_say(
    client: httpx.AsyncClient, app: Relampago, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Atlas:
        def find(self, address: str | None) -> Place:
            return Place("Argentina", "Rosario") if address == "127.0.0.1" else Place()

    monkeypatch.setitem(app.state._state, "places", Atlas())
    for body, place in (({}, ("Argentina", "Rosario")), ({"country": "Chile"}, ("Chile", "Rosario"))):
        await client.post(VISIT, json=body)
        (visitor,) = (await client.get(PATH, headers=people.staff)).json()["results"]
        assert (visitor["country"], visitor["city"]) == place


@pytest.mark.parametrize(
    "body", [{"referrer": "x" * 501}, {"country": "x" * 101}, {"city": "\0"}, {"city": ["a"]}, {"country": None}]
)
async def test_refused_visits_count_nothing(client: httpx.AsyncClient, people: People, body: dict[str, Any]) -> None:
    answer = await client.post(VISIT, json=body)
    assert (answer.status_code, list(answer.json())) == (400, list(body))
    assert await addresses(client, people) == []


async def test_only_staff_read(client: httpx.AsyncClient, people: People) -> None:
    for path in ("", "1/", "stats/", "recent_visitors/", "top_visitors/"):
        assert (await client.get(PATH + path)).status_code == 401
        assert (await client.get(PATH + path, headers=people.shopper)).status_code == 403


async def test_list_filters(client: httpx.AsyncClient, db: AsyncSession, settings: Settings, people: People) -> None:
    midnight = dt.datetime.combine(dt.date(2026, 5, 10), dt.time(), settings.zone)
    await add(db, "10.0.0.1", last_visit=midnight, country="Argentina", city="Rosario")
    await add(db, "10.0.0.2", last_visit=midnight + DAY - dt.timedelta(microseconds=1), country="Chile")
    await add(db, "2001:db8::2", last_visit=midnight + DAY, is_active=False)
    assert await addresses(client, people) == ["2001:db8::2", "10.0.0.2", "10.0.0.1"]
    assert await addresses(client, people, "?date_from=2026-05-10&date_to=2026-05-10") == ["10.0.0.2", "10.0.0.1"]
    assert await addresses(client, people, "?date_from=2026-05-11") == ["2001:db8::2"]
    assert await addresses(client, people, "?date_from=2026-05-11&date_to=2026-05-10") == []
    assert await addresses(client, people, "?date_from=0001-01-01&date_to=9999-12-31&page_size=1") == ["2001:db8::2"]
    assert await addresses(client, people, "?is_active=false") == ["2001:db8::2"]
    assert await addresses(client, people, "?country=argentina") == ["10.0.0.1"]
    assert await addresses(client, people, "?city=rosario&country=Chile") == []
    assert await addresses(client, people, "?ip_address=2001:0db8:0::2") == ["2001:db8::2"]
    assert await addresses(client, people, "?ip_address=10.0.0") == []
    for query in ("?is_active=x", "?date_from=x", "?date_to=2026-02-30"):
        assert (await client.get(PATH + query, headers=people.staff)).status_code == 400


async def test_recent_and_top(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    for n in range(1, 13):
        await add(db, f"10.0.0.{n}", last_visit=start + n * DAY, visit_count=100 - n % 3)
    assert await addresses(client, people, "recent_visitors/") == [f"10.0.0.{n}" for n in range(12, 2, -1)]
    assert await addresses(client, people, "recent_visitors/?limit=2") == ["10.0.0.12", "10.0.0.11"]
    assert await addresses(client, people, "top_visitors/?limit=5") == [f"10.0.0.{n}" for n in (12, 9, 6, 3, 10)]
    for limit, size in (("0", 1), ("-5", 1), ("1000", 12), ("x", 10), ("", 10), ("9" * 5000, 12)):
        assert len(await addresses(client, people, f"top_visitors/?limit={limit}")) == size


async def test_statistics(client: httpx.AsyncClient, db: AsyncSession, settings: Settings, people: People) -> None:
    now = dt.datetime.now(settings.zone)
    midnight = dt.datetime.combine(now.date(), dt.time(), settings.zone)
    await add(db, "10.0.0.1", first_visit=now, last_visit=now)
    await add(db, "10.0.0.2", first_visit=midnight - DAY, last_visit=now)
    await add(db, "10.0.0.3", first_visit=now - 20 * DAY, last_visit=midnight - dt.timedelta(seconds=1))
    await add(db, "10.0.0.4", first_visit=now - 300 * DAY, last_visit=now - 25 * DAY)
    await add(db, "10.0.0.5", first_visit=now - 800 * DAY, last_visit=now - 700 * DAY)

    async def stats(query: str = "") -> dict[str, int]:
        answer = await client.get(f"{PATH}stats/{query}", headers=people.staff)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    assert await stats() == {
        "total_visitors": 5,
        "visitors_today": 2,
        "visitors_yesterday": 1,
        "visitors_last_week": 3,
        "visitors_last_month": 4,
        "new_visitors_today": 1,
        "new_visitors_yesterday": 1,
        "new_visitors_in_period": 3,
    }
    yesterday = (now.date() - DAY).isoformat()
    for query, fresh in (
        ("?period=day", 1),
        ("?period=week", 2),
        ("?period=month", 3),
        ("?period=year", 4),
        (f"?start_date={yesterday}&end_date={yesterday}", 1),
        ("?start_date=2001-01-01", 5),
        ("?end_date=2001-01-01", 0),
        ("?end_date=0001-01-01&start_date=9999-12-31", 0),
    ):
        assert (await stats(query))["new_visitors_in_period"] == fresh, query
    for query in ("?period=decade", "?start_date=x"):
        assert (await client.get(f"{PATH}stats/{query}", headers=people.staff)).status_code == 400


def test_rules() -> None:
    today = dt.date(2026, 3, 1)
    assert period_of("day", None, None, today=today) == (today, today)
    assert period_of("week", None, None, today=today) == (dt.date(2026, 2, 23), today)
    assert period_of("month", None, dt.date(1, 1, 1), today=today)[0].year == 2
    assert period_of("year", dt.date(2020, 1, 1), None, today=today) == (dt.date(2020, 1, 1), today)
    assert user_agent_of("a\r\nb\x1b[31m") == "a  b [31m"
    assert len(user_agent_of("x" * 9999)) == 500
    assert [limit_of(text) for text in (None, "7", "101", "0")] == [10, 7, 100, 1]


async def test_days_are_those_of_the_clock_that_visits_are_written_by(
    client: httpx.AsyncClient, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process's clock may be wrong: it is asked for nothing."""
    await client.post(VISIT)

    class Late(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> "Late":
            return super().now(tz) + 2 * DAY

    monkeypatch.setattr(controllers, "dt", SimpleNamespace(datetime=Late))
    stats = (await client.get(f"{PATH}stats/?period=day", headers=people.staff)).json()
    assert (stats["visitors_today"], stats["new_visitors_today"], stats["new_visitors_in_period"]) == (1, 1, 1)
