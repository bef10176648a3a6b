"""The configuration: one record, written in parts, its password never shown."""

import asyncio

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.domain.activity.models import ActivityLog
from app.domain.site.models import SiteConfig
from tests.shop import People

PATH = "/api/site-config/"
READS = ("/api/config/", "/api/site-config/public/", PATH)
KEYS = ["id", "min_purchase_amount", "maintenance_mode", "maintenance_message", "created_at", "updated_at"]
BYPASS = "una-clave-de-paso"


async def test_the_first_who_asks_makes_the_record(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    answers = await asyncio.gather(*(client.get(READS[1]) for _ in range(6)))
    config = answers[0].json()
    assert list(config) == KEYS
    assert config == config | {
        "id": 1,
        "min_purchase_amount": "0.00",
        "maintenance_mode": False,
        "maintenance_message": "",
    }
    assert [answer.json() for answer in answers] == [config] * 6
    for path in READS:
        assert (await client.get(path, headers=people.staff)).json() == config
    assert (await db.execute(select(func.count()).select_from(SiteConfig))).scalar_one() == 1


@pytest.mark.parametrize(
    ("path", "statuses"), [(READS[0], (401, 200, 200)), (READS[1], (200, 200, 200)), (PATH, (401, 403, 200))]
)
async def test_who_may_read(
    client: httpx.AsyncClient, people: People, path: str, statuses: tuple[int, int, int]
) -> None:
    for headers, status in zip((people.nobody, people.shopper, people.staff), statuses, strict=True):
        assert (await client.get(path, headers=headers)).status_code == status


async def test_what_is_not_sent_stays(client: httpx.AsyncClient, people: People) -> None:
    first = {"min_purchase_amount": 1500, "maintenance_message": "Volvemos pronto"}
    answer = await client.put(PATH, json=first, headers=people.staff)
    assert answer.status_code == 200
    config = answer.json()
    assert (config["min_purchase_amount"], config["maintenance_message"]) == ("1500.00", "Volvemos pronto")
    answer = await client.put(PATH, json={"min_purchase_amount": "0.5"}, headers=people.staff)
    changed = config | {"min_purchase_amount": "0.50", "updated_at": answer.json()["updated_at"]}
    assert answer.json() == changed
    assert (await client.put(PATH, json={"id": 7, "created_at": None}, headers=people.staff)).json() == changed
    assert (await client.get(READS[1])).json() == changed


@pytest.mark.parametrize(
    "body",
    [
        {"min_purchase_amount": "-0.01"},
        {"min_purchase_amount": "1.001"},
        {"min_purchase_amount": "NaN"},
        {"min_purchase_amount": "100000000"},
        {"maintenance_mode": "maybe"},
        {"maintenance_message": "x" * 2001},
        {"bypass_password": "x" * 1025},
        {"bypass_password": 5, "maintenance_mode": None},
    ],
)
async def test_refused_values_store_nothing(
    client: httpx.AsyncClient, db: AsyncSession, people: People, body: dict[str, object]
) -> None:
    answer = await client.put(PATH, json=body, headers=people.staff)
    assert answer.status_code == 400
    assert set(answer.json()) <= set(body)
    assert (await db.execute(select(func.count()).select_from(SiteConfig))).scalar_one() == 0


@pytest.mark.parametrize("principal", ["nobody", "shopper"])
async def test_others_write_nothing(
    client: httpx.AsyncClient, db: AsyncSession, people: People, principal: str
) -> None:
    headers = getattr(people, principal)
    for method, path in (("PUT", PATH), ("POST", "/api/maintenance/toggle/")):
        answer = await client.request(method, path, json={"maintenance_mode": True}, headers=headers)
        assert answer.status_code == (401 if principal == "nobody" else 403)
    assert (await db.execute(select(func.count()).select_from(SiteConfig))).scalar_one() == 0


async def test_the_bypass_password_is_a_hash_and_is_told_to_nobody(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    answer = await client.put(PATH, json={"bypass_password": BYPASS}, headers=people.staff)
    assert (answer.status_code, list(answer.json())) == (200, KEYS)
    stored = (await db.execute(select(SiteConfig.bypass_password_hash))).scalar_one()
    assert stored.startswith("$argon2id$")
    removed = await client.put(PATH, json={"bypass_password": ""}, headers=people.staff)
    assert removed.status_code == 200
    await db.commit()
    assert (await db.execute(select(SiteConfig.bypass_password_hash))).scalar_one() == ""
    logged = (await db.execute(select(ActivityLog.changes).order_by(ActivityLog.id))).scalars().all()
    assert logged == [{"bypass_password": [None, "***"]}, {"bypass_password": ["***", None]}]
    told = [answer.text, removed.text, (await client.get(PATH, headers=people.staff)).text, str(logged)]
    assert not any(BYPASS in text or "argon2" in text for text in told)


async def test_the_bypass_password_is_in_no_log(client: httpx.AsyncClient, people: People) -> None:
    with capture_logs() as logs:
        await client.put(PATH, json={"bypass_password": BYPASS}, headers=people.staff)
        for password in (BYPASS, f"{BYPASS}!"):
            await client.post("/api/maintenance/validate-bypass/", json={"password": password})
        await client.put(PATH, json={"bypass_password": BYPASS, "min_purchase_amount": "x"}, headers=people.staff)
    assert BYPASS not in str(logs)
    assert "argon2" not in str(logs)
