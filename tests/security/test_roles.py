"""C85: the role that the application connects as, made by the launcher's own script on a server of its own."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from launcher import postmaster, server
from launcher.accounts import give_to_server
from launcher.cluster import OWNER, ROLES_FILE
from tests.chaos.cluster import OwnCluster
from tests.conftest import _migrate

PASSWORDS = {"POSTGRES_PASSWORD": "owner-of-the-roles", "POSTGRES_APP_PASSWORD": "app-of-the-roles"}
DENIED = {
    "a table": "CREATE TABLE mine (id int)",
    "a table of its session": "CREATE TEMPORARY TABLE mine (id int)",
    "a schema": "CREATE SCHEMA mine",
    "a function": "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "a dropped extension": "DROP EXTENSION postgis CASCADE",
    "a role": "CREATE ROLE mine",
    "a database": "CREATE DATABASE mine",
    "a dropped table": "DROP TABLE orders",
    "a counter of its choice": "SELECT setval('users_id_seq', 1)",
    "an emptied table": "TRUNCATE orders CASCADE",
    "a changed table": "ALTER TABLE users ADD COLUMN mine int",
    "a trigger": "ALTER TABLE orders DISABLE TRIGGER ALL",
    "an index": "CREATE INDEX mine ON orders (id)",
    "a dropped function": "DROP FUNCTION stock_free",
    "another role": "SET ROLE relampago_owner",
    "more rights": "ALTER ROLE relampago_app SUPERUSER",
    "sleeping triggers": "SET session_replication_role = replica",
    "a file that is read": "SELECT pg_read_file('/etc/passwd')",
    "a file that is written": "COPY users TO '/tmp/users'",
    "a program": "COPY users FROM PROGRAM 'id'",
    "passwords of roles": "SELECT * FROM pg_authid",
    "a setting of the server": "ALTER SYSTEM SET log_statement = 'all'",
}
LIMITS = {"statement_timeout": "15s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "10s"}


def made(cluster: OwnCluster) -> None:
    """The two roles and their database, then the tables, as `make up` makes them."""
    give_to_server(cluster.home)
    server.make(cluster.tools, cluster.home, OWNER)
    server.start(cluster.tools, cluster.home, cluster.options)
    script = ROLES_FILE.read_text(encoding="utf-8")
    for _ in range(2):  # it may run again
        done = server.psql(cluster.tools, cluster.home, OWNER, "postgres", script, env=PASSWORDS)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
async def address() -> AsyncIterator[str]:
    """The application's address."""
    cluster = OwnCluster()
    try:
        await asyncio.to_thread(made, cluster)
        running = postmaster.read(cluster.data)
        assert running is not None
        place = f"127.0.0.1:{running.port}/relampago"
        await asyncio.to_thread(_migrate, f"postgresql://{OWNER}:{PASSWORDS['POSTGRES_PASSWORD']}@{place}")
        yield f"postgresql://relampago_app:{PASSWORDS['POSTGRES_APP_PASSWORD']}@{place}"
    finally:
        await asyncio.to_thread(cluster.remove)


@pytest.fixture(scope="module")
async def connection(address: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(address)
    yield opened
    await opened.close()


@pytest.mark.parametrize("what", DENIED)
async def test_what_the_application_may_not_do(connection: asyncpg.Connection, what: str) -> None:
    before = await connection.fetch("SELECT relname, relnatts FROM pg_class ORDER BY oid")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(DENIED[what])
    assert await connection.fetch("SELECT relname, relnatts FROM pg_class ORDER BY oid") == before


async def test_what_it_may(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        number = await connection.fetchval("INSERT INTO category (name, slug) VALUES ('Ropa', 'ropa') RETURNING id")
        assert await connection.execute("UPDATE category SET name = 'Otra' WHERE id = $1", number) == "UPDATE 1"
        assert await connection.execute("DELETE FROM category WHERE id = $1", number) == "DELETE 1"
    assert [await connection.fetchval(f"SHOW {name}") for name in LIMITS] == list(LIMITS.values())


async def test_it_lets_counters_rise_and_not_fall(connection: asyncpg.Connection) -> None:
    """As moving in does, whose ids stay what they were."""
    for least, following in ((5000, 5001), (3, 5002)):
        await connection.execute("SELECT ids_at_least('orders', $1)", least)
        assert await connection.fetchval("SELECT nextval('orders_id_seq')") == following
    with pytest.raises(asyncpg.UndefinedTableError):
        await connection.execute("SELECT ids_at_least('pg_class', 5)")


async def test_a_counter_that_rises_gives_no_id_twice(address: str, connection: asyncpg.Connection) -> None:
    rising = """
        DO $$ BEGIN
            FOR n IN 1..4000 LOOP
                PERFORM ids_at_least('orders', (SELECT last_value + 1 FROM orders_id_seq));
            END LOOP;
        END $$
    """
    drawn = "SELECT count(DISTINCT n) FROM (SELECT nextval('orders_id_seq') AS n FROM generate_series(1, 100000)) ids"
    beside = await asyncpg.connect(address)
    try:
        found, _ = await asyncio.gather(connection.fetchval(drawn), beside.execute(rising))
    finally:
        await beside.close()
    assert found == 100_000


async def test_what_runs_as_the_owner_is_for_the_application_alone(connection: asyncpg.Connection) -> None:
    """Who was let in to read alone is to change nothing by it."""
    rows = await connection.fetch("""
        SELECT p.proname, has_function_privilege('relampago_app', p.oid, 'EXECUTE') AS ours,
               EXISTS (SELECT FROM aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0)
               AS everybodys
          FROM pg_proc p WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
         ORDER BY p.proname
    """)
    made = ("ids_at_least", "partition_analyze", "partition_detach", "partition_drop", "partition_make")
    assert [tuple(row) for row in rows] == [(name, True, False) for name in made]


async def test_it_is_nothing_more(connection: asyncpg.Connection) -> None:
    row = await connection.fetchrow("SELECT * FROM pg_roles WHERE rolname = current_user")
    assert row is not None
    assert [name for name, value in row.items() if value is True] == ["rolinherit", "rolcanlogin"]
    assert (
        await connection.fetchval("SELECT count(*) FROM pg_auth_members WHERE member = 'relampago_app'::regrole") == 0
    )
    owned = "SELECT count(*) FROM pg_class WHERE relowner = 'relampago_app'::regrole"
    assert await connection.fetchval(owned) == 0


async def test_a_wrong_password_and_another_database_are_refused(address: str) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(address.replace(PASSWORDS["POSTGRES_APP_PASSWORD"], "another"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(f"{address.rpartition('/')[0]}/postgres")
