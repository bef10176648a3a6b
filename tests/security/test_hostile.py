"""S3: hostile payloads into every place of every operation; nothing breaks, nothing that cannot be is stored."""

import random
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from sqlalchemy.exc import DBAPIError

from tests.contract import objects_of_orders, objects_of_the_office, objects_of_the_shop  # noqa: F401 - they note rows
from tests.contract.objects import ROWS, Call, World
from tests.contract.operations import contract
from tests.security.findings import Findings
from tests.security.payloads import CLASSES
from tests.security.places import HEADERS, Door, Place, doors, places
from tests.security.sending import JSON, Sent, hostile

SEED = 20_261_122
# In full: into each field, and into each header of each operation.
FULL_CLASSES, FULL_HEADER_CLASSES = 46, 4
GOAL = (
    f"{FULL_CLASSES} classes of hostile payloads into every field of every operation, {FULL_HEADER_CLASSES} into every "
    "header: no 5xx, no error of the database, no impossible amount"
)
# Of S12 every answer is asked by the client's hook (tests/contract/checking.py).
pytestmark = [pytest.mark.shows("S3"), pytest.mark.shows("S12")]
TAGS = sorted({door.tag for door in doors()})
# Differences and coordinates; everything else that has places after its point is money or a share, and not below zero.
SIGNED, DIFFERENCES = {"latitude", "longitude"}, {"sales_delta"}


class Case(NamedTuple):
    who: str
    place: Place
    payload: str
    media: str


def cases(door: Door, chance: random.Random, *, full: bool) -> Iterator[Case]:
    """Every place, with one class or, full, with so many; by staff, every fifth by another too."""
    everywhere = [*places(door), *(Place(door, "header", (name,)) for name in HEADERS)]
    medias = door.media or (JSON,)
    for place in everywhere:
        many = (FULL_HEADER_CLASSES if place.where == "header" else FULL_CLASSES) if full else place.where != "header"
        for name in chance.sample(list(CLASSES), many):
            yield Case("staff", place, name, medias[0] if chance.random() < 0.7 else chance.choice(medias))
            if chance.random() < 0.2:
                yield Case(chance.choice(("owner", "nobody")), place, name, chance.choice(medias))
    if not full:
        yield Case("staff", chance.choice(everywhere[-len(HEADERS) :]), chance.choice(list(CLASSES)), medias[0])


@pytest.mark.parametrize("tag", TAGS)
async def test_hostile_payloads(
    mailing: World, database_errors: Counter[str], findings: Findings, tag: str, *, full_rounds: bool
) -> None:
    chance, sent, wrong = random.Random(f"{SEED} {tag}"), 0, []
    for door in (door for door in doors() if door.tag == tag):
        make = ROWS[door.id][0][1] if door.id in ROWS else None
        call = await make(mailing) if make else Call()
        for case in cases(door, chance, full=full_rounds):
            answer, told = await ask(mailing, case, call)
            sent += 1
            excused = answer == 503 and "503" in contract()[door.id].responses
            if database_errors or (answer >= 500 and not excused):
                wrong.append((case, answer, told, dict(database_errors)))
                database_errors.clear()
            if make and answer < 300 and door.method != "GET":
                call = await make(mailing)
    amounts = await impossible_amounts(mailing)
    findings.add("S3", GOAL, sent, len(wrong) + len(amounts), "requests")
    assert wrong == []
    assert amounts == []


async def ask(world: World, case: Case, call: Call) -> tuple[int, str]:
    request: Sent = hostile(case.place, CLASSES[case.payload], call, case.media)
    own = [(name.encode(), value.encode()) for name, value in world.headers(case.who).items()]
    given = {name.lower() for name, _ in request.headers}
    headers = [pair for pair in own if pair[0].lower() not in given] + request.headers
    answer = await world.till.client.request(request.method, request.url, headers=headers, content=request.content)
    return answer.status_code, answer.text[:300]


async def impossible_amounts(world: World) -> list[str]:
    """Columns with a value that no amount is: NaN, an infinity, money below zero."""
    columns = await world.till.rows("""
        SELECT table_name, column_name, data_type FROM information_schema.columns
          JOIN information_schema.tables USING (table_schema, table_name)
         WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
           AND data_type IN ('numeric', 'double precision', 'real')
    """)
    found = []
    for table, column, kind in columns:
        wrong = f"\"{column}\"::text IN ('NaN', 'Infinity', '-Infinity')"
        if kind == "numeric" and column not in SIGNED and table not in DIFFERENCES:
            wrong += f' OR "{column}" < 0'
        rows = await world.till.rows(f'SELECT count(*) FROM "{table}" WHERE {wrong}')
        if rows[0][0]:
            found.append(f"{table}.{column}")
    return found


def test_there_are_classes_enough() -> None:
    assert len(CLASSES) >= FULL_CLASSES >= 45


async def test_an_error_of_the_database_is_seen(mailing: World, database_errors: Counter[str]) -> None:
    with pytest.raises(DBAPIError):
        await mailing.till.rows("SELECT 1 / 0")
    assert list(database_errors) == ["22012 division by zero"]


async def test_an_impossible_amount_is_seen(mailing: World) -> None:
    await mailing.till.rows("CREATE TABLE priced (amount numeric)")
    try:
        for amount in ("NaN", "-0.01"):
            await mailing.till.rows("DELETE FROM priced")
            await mailing.till.rows("INSERT INTO priced VALUES (CAST(:amount AS numeric))", amount=amount)
            assert await impossible_amounts(mailing) == ["priced.amount"]
    finally:
        await mailing.till.rows("DROP TABLE priced")
