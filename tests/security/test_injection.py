"""C54: sixty payloads of SQL into every parameter of every list; what they would do is not done."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.contract import objects_of_orders, objects_of_the_office, objects_of_the_shop  # noqa: F401 - they note rows
from tests.contract.objects import ROWS, Call, World
from tests.contract.operations import contract
from tests.security.findings import Findings
from tests.security.places import Door, Place, doors, places
from tests.security.sending import good_path

GOAL = "SQL in every parameter of every list: nothing of it is done"
pytestmark = pytest.mark.shows("S3a")
SEED, SLEEP = 20_261_122, 20
SQL = (
    "'", "''", '"', "\\", "\\'", "' OR '1'='1", "' OR 1=1--", "' OR 1=1#", "' OR 1=1/*", "') OR ('1'='1",
    "')) OR ((1=1",
    "1 OR 1=1", "1) OR (1=1", "-1 OR 1=1", "1' AND '1'='2", "1 AND 1=2", "' AND 1=CAST((SELECT version()) AS int)--",
    "' UNION SELECT NULL--", "' UNION SELECT NULL,NULL,NULL--", "' UNION ALL SELECT password_hash FROM users--",
    "1 UNION SELECT usename FROM pg_user", "' UNION SELECT table_name FROM information_schema.tables--",
    "'; DROP TABLE product;--", "1; DROP TABLE product", "'; UPDATE users SET is_staff=true;--",
    "'; DELETE FROM orders;--",
    "'; COPY users TO PROGRAM 'id';--", "'; SELECT pg_sleep(20);--", "1; SELECT pg_sleep(20)", "'||pg_sleep(20)--",
    "' AND (SELECT 1 FROM pg_sleep(20)) IS NOT NULL--", "1 AND 1=(SELECT 1 FROM pg_sleep(20))",
    "id;SELECT pg_sleep(20)",
    "(SELECT pg_sleep(20))", "CASE WHEN 1=1 THEN pg_sleep(20) ELSE NULL END", "name,(SELECT 1 FROM pg_sleep(20))",
    "-(SELECT 1/0)", "price,(SELECT 1/0)", "id DESC, pg_sleep(20)", "price;--", "password_hash", "-password_hash",
    "user__password", "user.password_hash", "*", "1/0", "(1)", "id::text", "%", "_", "%%", "a%' OR name LIKE '%", "\\%",
    "$1", ":id", "%(id)s", "%s", "{0}", "?", "$$;SELECT pg_sleep(20)$$", "E'\\x27 OR 1=1'", "U&'\\0027 OR 1=1'",
    "' /**/OR/**/ 1=1--", "'%20OR%201=1--", "%27 OR 1=1--", "\u02bc OR 1=1--", "\uff07 OR 1=1--", "' OR 'a' ~ '(a+)+$",
    "'||(SELECT string_agg(password_hash,',') FROM users)||'", "1e0UNION SELECT 1", "0x27", "' HAVING 1=1--",
    "' GROUP BY 1 HAVING 1=1--", "' ORDER BY 100--", "' LIMIT 1 OFFSET 0--", "' INTO OUTFILE '/tmp/x'--",
)  # fmt: skip


def parameters() -> Iterator[tuple[Door, Place]]:
    """Those in the address of what only reads."""
    for door in doors():
        if door.method == "GET":
            yield from ((door, place) for place in places(door) if place.where == "query")


async def test_sql_in_every_list(
    mailing: World, database_errors: Counter[str], findings: Findings, *, full_rounds: bool
) -> None:
    """Quick: each payload twice, at parameters by turns; full: each at each of them."""
    assert len(SQL) >= 60
    chance, everything = random.Random(SEED), list(parameters())
    tries = [(payload, at) for payload in SQL for at in (everything if full_rounds else chance.sample(everything, 2))]
    people = await mailing.till.rows("SELECT id, is_staff, password_hash FROM users ORDER BY id")
    calls: dict[str, Call] = {}
    wrong = []
    for payload, (door, place) in tries:
        if door.id not in calls:
            calls[door.id] = await ROWS[door.id][0][1](mailing) if door.id in ROWS else Call()
        begun = time.monotonic()
        url = f"{good_path(door, calls[door.id])}?{place.name}={quote(payload, safe='')}"
        answer = await mailing.till.client.get(url, headers=mailing.headers("staff"))
        took = time.monotonic() - begun
        excused = answer.status_code == 503 and "503" in contract()[door.id].responses
        leaked = any(row[2] in answer.text for row in people)
        if database_errors or leaked or took > SLEEP / 2 or (answer.status_code >= 500 and not excused):
            wrong.append((door.id, place.name, payload, answer.status_code, dict(database_errors)))
            database_errors.clear()
    findings.add("S3a", GOAL, len(tries), len(wrong), "requests")
    assert wrong == []
    after = await mailing.till.rows("SELECT id, is_staff, password_hash FROM users ORDER BY id")
    assert after[: len(people)] == people
