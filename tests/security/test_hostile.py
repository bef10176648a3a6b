"""S3: hostile payloads into every place of every operation; nothing breaks, nothing that cannot be is stored."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from tests.contract import objects_of_orders, objects_of_the_office, objects_of_the_shop  # noqa: F401 - they note rows
from tests.contract.objects import ROWS, Call, World
from tests.contract.operations import contract
from tests.security.payloads import CLASSES
from tests.security.places import HEADERS, Door, Place, doors, places
from tests.security.sending import JSON, Sent, hostile

SEED = 20_261_122
FULL_CLASSES = 30
TAGS = sorted({door.tag for door in doors()})
# Differences and coordinates; everything else that has places after its point is money or a share, and not below zero.
SIGNED = {"delta", "latitude", "longitude", "lat", "lon", "change"}


def test_there_are_classes_enough() -> None:
    assert len(CLASSES) >= 45


def requests_for(door: Door, chance: random.Random, *, full: bool) -> Iterator[tuple[str, Place, str, str]]:
    """Who, where, what and in which form. Full: so many classes in each place by staff, every fifth by another."""
    everywhere = [*places(door), *(Place(door, "header", (name,)) for name in HEADERS)]
    for place in everywhere:
        for name in chance.sample(list(CLASSES), (2 if place.where == "header" else FULL_CLASSES) if full else 1):
            medias = door.media or (JSON,)
            yield "staff", place, name, medias[0] if chance.random() < 0.7 else chance.choice(medias)
            if chance.random() < 0.2:
                yield chance.choice(("owner", "nobody")), place, name, chance.choice(medias)


@pytest.mark.parametrize("tag", TAGS)
async def test_hostile_payloads(mailing: World, database_errors: Counter[str], tag: str, *, full_rounds: bool) -> None:
    world, chance, sent, wrong = mailing, random.Random(f"{SEED} {tag}"), 0, []
    for door in (door for door in doors() if door.tag == tag):
        make = ROWS[door.id][0][1] if ROWS.get(door.id) else None
        call = await make(world) if make else Call()
        for who, place, name, media in requests_for(door, chance, full=full_rounds):
            request = hostile(place, CLASSES[name], call, media)
            before = database_errors.total()
            status, told = await answer_of(world, who, request)
            sent += 1
            if status >= 500 and not (status == 503 and "503" in contract()[door.id].responses):
                wrong.append((who, door.id, place.where, place.name, name, media, status, told))
            if database_errors.total() != before:
                wrong.append((who, door.id, place.where, place.name, name, media, "database", status))
            if make and status < 300 and door.method != "GET":
                call = await make(world)
    assert wrong == [], (len(wrong), database_errors)
    assert await impossible_values(world) == []
    assert sent > 0


async def answer_of(world: World, who: str, request: Sent) -> tuple[int, str]:
    headers = [(name.encode(), value.encode()) for name, value in world.headers(who).items()]
    names = {name.lower() for name, _ in request.headers}
    answer = await world.till.client.request(
        request.method,
        request.url,
        headers=[pair for pair in headers if pair[0].lower() not in names] + request.headers,
        content=request.content,
    )
    return answer.status_code, answer.text[:200]


async def impossible_values(world: World) -> list[str]:
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
        if kind == "numeric" and column not in SIGNED:
            wrong += f' OR "{column}" < 0'
        rows = await world.till.rows(f'SELECT count(*) FROM "{table}" WHERE {wrong}')
        if rows[0][0]:
            found.append(f"{table}.{column}")
    return found
