"""Every operation about an object, asked by nobody, another customer, the object's owner and staff, with a real one."""

import re

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tests.contract import objects_of_orders, objects_of_the_office, objects_of_the_shop  # noqa: F401 - they note rows
from tests.contract.checking import ALSO
from tests.contract.objects import MAY, NAMING, ROWS, Make, Verdict, World
from tests.contract.operations import PRINCIPALS_GOAL, Operation, contract

EVERYTHING = text("""
    SELECT tablename, md5(query_to_xml(asked, true, false, '')::text) AS digest
      FROM pg_tables, format('SELECT * FROM %I t ORDER BY t::text', tablename) asked
     WHERE schemaname = 'public' AND tablename NOT LIKE 'procrastinate%'
       AND tablename NOT IN ('spatial_ref_sys', 'throttle')
""")
CASES = [(name, verdict, make) for name, rows in ROWS.items() for verdict, make in rows]


def test_every_operation_about_an_object_has_a_row() -> None:
    named = {each.id for each in contract().values() if "{" in each.path or NAMING & set(each.request)}
    assert named == set(ROWS)


async def everything(db: AsyncSession) -> dict[str, str]:
    found = {row.tablename: row.digest for row in await db.execute(EVERYTHING)}
    await db.commit()
    return found


def works(operation: Operation, status: int) -> bool:
    return str(status) in operation.success or (operation.id, str(status)) in ALSO


@pytest.mark.shows("S2")
@pytest.mark.goal("S2", PRINCIPALS_GOAL, "object and principal", quick=len(Verdict._fields))
@pytest.mark.parametrize(("name", "verdict", "make"), CASES, ids=[f"{name}-{make.__name__}" for name, _, make in CASES])
async def test_who_may(world: World, name: str, verdict: Verdict, make: Make) -> None:
    operation = contract()[name]
    for who, status in verdict._asdict().items():
        call = await make(world)
        path = re.sub(r"\{\w+\}", str(call.place), operation.path)
        before = await everything(world.db)
        headers, body = world.headers(who), call.body if operation.request else None
        answer = await world.till.client.request(operation.method, path, json=body, headers=headers)
        told = f"{who}: {answer.status_code} {answer.text[:300]}"
        if status == MAY:
            assert works(operation, answer.status_code), told
        else:
            assert answer.status_code == status, told
            assert await everything(world.db) == before, told
