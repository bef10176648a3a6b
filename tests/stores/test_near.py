"""`?near=&radius_m=`: metres on the spheroid, the bound included, nearest first, found through the index."""

from collections.abc import Sequence

import httpx
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.stores.queries import place, stores_near
from app.domain.stores.rules import BAD_NEAR, BAD_RADIUS
from app.http.geo import BAD_RANGE, GeoPoint
from tests.factories_catalog import CENTRE, make_store
from tests.shop import People

NEAR = f"{CENTRE.lat},{CENTRE.lon}"


async def away(db: AsyncSession, metres: float, degrees: float = 40.0) -> GeoPoint:
    """The place so many metres from the centre, in a direction, on the spheroid."""
    projected = func.ST_Project(place(CENTRE), metres, func.radians(degrees))
    return GeoPoint.from_wkb((await db.execute(select(func.ST_AsBinary(projected)))).scalar_one())


async def names(client: httpx.AsyncClient, people: People, query: str) -> list[str]:
    answer = await client.get(f"/api/stores/?{query}", headers=people.shopper)
    assert answer.status_code == 200, answer.text
    return [store["name"] for store in answer.json()]


@pytest.mark.parametrize("degrees", [0, 40, 90, 133, 180, 270])
async def test_two_kilometres_are_included_and_a_metre_more_is_not(
    client: httpx.AsyncClient, db: AsyncSession, people: People, degrees: float
) -> None:
    for metres in (2001, 2000, 1999):
        await make_store(db, name=str(metres), point=await away(db, metres, degrees))
    assert await names(client, people, f"near={NEAR}") == ["1999", "2000"]
    assert await names(client, people, f"near={NEAR}&radius_m=2001") == ["1999", "2000", "2001"]
    assert await names(client, people, f"near={NEAR}&radius_m=1999") == ["1999"]
    assert await names(client, people, f"near={NEAR}&radius_m=1998.5") == []
    assert await names(client, people, "") == ["2001", "2000", "1999"]


async def test_nearest_first_and_paged(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    order: Sequence[int] = (900, 5, 1500, 300)
    for metres in order:
        await make_store(db, name=str(metres), point=await away(db, metres, metres))
    assert await names(client, people, f"near={NEAR}") == ["5", "300", "900", "1500"]
    page = (await client.get(f"/api/stores/?near={NEAR}&page_size=3&page=2", headers=people.shopper)).json()
    assert (page["count"], [store["name"] for store in page["results"]]) == (4, ["1500"])


async def test_the_date_line_and_the_whole_earth(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    await make_store(db, name="east", point=GeoPoint(lat=0, lon=179.999))
    await make_store(db, name="west", point=GeoPoint(lat=0, lon=-179.999))
    assert await names(client, people, "near=0,180") == ["east", "west"]
    assert await names(client, people, "near=90,0&radius_m=20100000") == ["east", "west"]


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ("near=118.24,34.05", {"near": [BAD_RANGE]}),  # longitude first
        ("near=0,180.1", {"near": [BAD_RANGE]}),
        *(
            (f"near={near}", {"near": [BAD_NEAR]})
            for near in ("1", "1,2,3", "a,b", "nan,1", "1e2,3", "\u0661,\u0662", "1;2", ",")
        ),
        *(
            (f"near={NEAR}&radius_m={radius}", {"radius_m": [BAD_RADIUS]})
            for radius in ("0", "-1", "abc", "1e3", "nan", "inf", "99999999", "1_0", "9" * 400, "\u0663")
        ),
        ("radius_m=x", {"radius_m": [BAD_RADIUS]}),
        ("near=%00", {"near": ["Null characters are not allowed."]}),
    ],
)
async def test_bad_values_are_refused_by_name(
    client: httpx.AsyncClient, people: People, query: str, refusal: object
) -> None:
    answer = await client.get(f"/api/stores/?{query}", headers=people.shopper)
    assert (answer.status_code, answer.json()) == (400, refusal)


async def test_the_index_finds_them(db: AsyncSession) -> None:
    await db.execute(
        text(
            "INSERT INTO store (name, geom) SELECT 'x', ST_MakePoint(-70 + i % 100 * 0.2, -50 + i / 100 * 0.2)"
            " FROM generate_series(0, 9999) i"
        )
    )
    await db.commit()
    await db.execute(text("ANALYZE store"))
    statement = stores_near(CENTRE, 2000).compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    plan = "\n".join((await db.execute(text(f"EXPLAIN {statement}"))).scalars())
    assert "ix_store_geom" in plan, plan
    assert "Seq Scan" not in plan, plan
