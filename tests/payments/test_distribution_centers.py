"""Distribution centres over HTTP: shape, life, rights, and the place in the stock that each has."""

from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.models import ActivityLog
from app.domain.inventory.models import StockLocation
from app.domain.payments.models import DistributionCenter
from tests.shop import People

URL = "/api/payments/distribution-centers/"
BODY = {"name": "Depósito Central", "address": "Calle 123", "phone": "+54 11 5555 5555"}
KEYS = {
    "id", "name", "address", "phone", "is_active", "created_by", "created_by_name", "created_at", "updated_at",
}  # fmt: skip


async def make(client: httpx.AsyncClient, people: People, **body: Any) -> dict[str, Any]:
    answer = await client.post(URL, json={**BODY, **body}, headers=people.staff)
    assert answer.status_code == 201, answer.text
    center: dict[str, Any] = answer.json()
    return center


async def test_create_answers_the_contracts_shape(client: httpx.AsyncClient, people: People) -> None:
    center = await make(client, people)
    assert set(center) == KEYS
    assert {name: center[name] for name in BODY} == BODY
    assert center["is_active"] is True
    assert isinstance(center["created_by"], int)
    assert center["created_by_name"].startswith("user")
    assert (await client.get(f"{URL}{center['id']}/", headers=people.staff)).json() == center


async def test_each_has_a_place_in_the_stock_of_its_name(
    client: httpx.AsyncClient, people: People, db: AsyncSession
) -> None:
    first, second = await make(client, people), await make(client, people, name="Norte")
    await client.patch(f"{URL}{second['id']}/", json={"name": "Sur"}, headers=people.staff)
    statement = select(DistributionCenter.id, StockLocation.name).join(
        StockLocation, StockLocation.id == DistributionCenter.location_id
    )
    assert dict((await db.execute(statement)).tuples().all()) == {first["id"]: "Depósito Central", second["id"]: "Sur"}


async def test_put_patch_and_delete(client: httpx.AsyncClient, people: People, db: AsyncSession) -> None:
    center = await make(client, people)
    address = f"{URL}{center['id']}/"
    put = await client.put(address, json={"name": "Oeste", "address": "Otra 4"}, headers=people.staff)
    assert (put.status_code, put.json()["name"], put.json()["phone"]) == (200, "Oeste", BODY["phone"])
    patched = await client.patch(address, json={"is_active": False, "created_by": 1}, headers=people.staff)
    assert (patched.json()["is_active"], patched.json()["created_by"]) == (False, center["created_by"])
    missing = await client.put(address, json={"name": "Oeste"}, headers=people.staff)
    assert (missing.status_code, missing.json()) == (400, {"address": ["This field is required."]})
    gone = await client.delete(address, headers=people.staff)
    assert (gone.status_code, gone.content) == (204, b"")
    for method in ("GET", "PATCH", "DELETE"):
        answer = await client.request(method, address, json={"name": "x"}, headers=people.staff)
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})
    actions = select(ActivityLog.action).where(ActivityLog.content_type == "distributioncenter")
    assert (await db.execute(actions.order_by(ActivityLog.id))).scalars().all() == [
        *("create", "update", "update", "delete")
    ]


async def test_lists_come_in_pages_of_ten(client: httpx.AsyncClient, people: People) -> None:
    made = [await make(client, people, name=f"Depósito {n}") for n in range(11)]
    page = (await client.get(URL, headers=people.staff)).json()
    assert (page["count"], page["results"]) == (11, made[:10])
    assert page["next"] == f"http://testserver{URL}?page=2"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"address": "Calle 1"}, "name"),
        ({"name": " ", "address": "Calle 1"}, "name"),
        ({"name": "x" * 201, "address": "Calle 1"}, "name"),
        ({"name": "Centro", "address": ""}, "address"),
        ({"name": "Centro", "address": "Calle 1", "phone": "1" * 51}, "phone"),
        ({"name": "Centro", "address": "Calle 1", "is_active": "maybe"}, "is_active"),
    ],
)
async def test_wrong_bodies_are_refused(
    client: httpx.AsyncClient, people: People, db: AsyncSession, body: dict[str, Any], field: str
) -> None:
    answer = await client.post(URL, json=body, headers=people.staff)
    assert (answer.status_code, set(answer.json())) == (400, {field})
    assert (await db.execute(select(func.count()).select_from(StockLocation))).scalar_one() == 0


async def test_they_are_for_staff_alone(client: httpx.AsyncClient, people: People) -> None:
    center = await make(client, people)
    for headers, status in ((people.nobody, 401), (people.shopper, 403)):
        for method, path in (("GET", ""), ("POST", ""), *((m, f"{center['id']}/") for m in ("GET", "PUT", "DELETE"))):
            answer = await client.request(method, URL + path, json=BODY, headers=headers)
            assert answer.status_code == status
