"""The private clusters: what can be told without a server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from launcher import cluster, database, debian, leases, places, postmaster

PIDFILE = "{pid}\n{data}\n1763772000\n38161\n/tmp/socket\n127.0.0.1\n  1234   56\nready   \n"


def test_reads_a_running_server() -> None:
    found = postmaster.parse(PIDFILE.format(pid=4321, data="/data"))
    assert found == postmaster.Postmaster(pid=4321, port=38161, ready=True)


@pytest.mark.parametrize("text", ["", "\n\n\n\n", "4321\n/data\n", "x\n/data\n1\n38161\n", "4321\n/data\n1\n\n"])
def test_half_a_file_is_no_server(text: str) -> None:
    assert postmaster.parse(text) is None


def test_a_number_that_is_another_programs_by_now_is_no_server(tmp_path: Path) -> None:
    (tmp_path / "postmaster.pid").write_text(PIDFILE.format(pid=os.getpid(), data=tmp_path), encoding="ascii")
    assert postmaster.read(tmp_path) is None
    postmaster.forget_if_dead(tmp_path)
    assert not (tmp_path / "postmaster.pid").exists()


def test_a_server_is_known_by_its_data(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('up', flush=True); input()", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stand_in:  # noqa: S603
        assert stand_in.stdout
        stand_in.stdout.readline()
        (tmp_path / "postmaster.pid").write_text(PIDFILE.format(pid=stand_in.pid, data=tmp_path), encoding="ascii")
        found = postmaster.read(tmp_path)
        stand_in.kill()
    assert found is not None
    assert found.port == 38161


def test_a_long_path_moves_the_socket(tmp_path: Path) -> None:
    assert places.socket_folder(Path("/srv/shop")) == Path("/srv/shop/socket")
    moved = places.socket_folder(tmp_path / ("x" * 100))
    assert len(os.fsencode(moved / ".s.PGSQL.65535")) <= places.SOCKET_PATH_LIMIT


def test_the_newest_postgresql_is_chosen_by_number() -> None:
    search = "postgresql-9-postgis-3 - old\npostgresql-17-postgis-3 - new\npostgresql-15-postgis-3-scripts - no\n"
    assert debian.newest_postgis(search) == "postgresql-17-postgis-3"
    assert not debian.newest_postgis("")


def test_only_the_test_cluster_trades_durability() -> None:
    assert set(cluster.NOT_DURABLE) <= set(cluster.testing().options)
    assert not cluster.development().options


def test_our_own_address_does_not_count_as_anothers() -> None:
    password = cluster.development().passwords["POSTGRES_APP_PASSWORD"]
    assert database.is_ours(f"postgresql://relampago_app:{password}@127.0.0.1:5/relampago")
    assert not database.is_ours("postgresql://relampago_app:other@127.0.0.1:5/relampago")
    assert not database.is_ours("postgresql://relampago_app@127.0.0.1:5/relampago")


def test_the_applications_role_gets_rows_and_nothing_else() -> None:
    statements = [line for line in cluster.ROLES_FILE.read_text(encoding="utf-8").split(";") if "GRANT" in line]
    assert statements
    for statement in statements:
        assert not {"CREATE", "TRUNCATE", "ALL PRIVILEGES", "TEMPORARY"} & set(statement.partition("GRANT ")[2].split())


def test_the_last_user_knows_that_it_is_the_last() -> None:
    code = "from launcher import leases; leases.take('of-a-test'); print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:  # noqa: S603
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        assert not leases.last_user("of-a-test")
        other.kill()
    assert leases.last_user("of-a-test")


def test_a_kept_server_is_that_one_alone(tmp_path: Path) -> None:
    server = postmaster.Postmaster(10, 5432, ready=True)
    leases.keep_running(tmp_path, server)
    assert leases.is_kept(tmp_path, server)
    assert not leases.is_kept(tmp_path, postmaster.Postmaster(11, 5432, ready=True))
    assert not leases.is_kept(tmp_path, None)
