"""How the application starts."""

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.server import Relampago, create_app
from app.settings import Settings

URL = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture
def without_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def settings() -> Settings:
    return Settings(database_url=URL, database_admin_url=URL, secret_key="s" * 32, log_level="critical")


def test_garbage_is_looked_for_again_after_the_start() -> None:
    assert isinstance(create_app(settings()), Relampago)
    assert gc.isenabled()


@pytest.mark.usefixtures("without_garbage_collection")
def test_who_wants_no_search_for_garbage_gets_none() -> None:
    create_app(settings())
    assert not gc.isenabled()


def test_garbage_is_looked_for_again_after_a_start_that_failed() -> None:
    wrong = Settings(database_url="nonsense://", database_admin_url="", secret_key="s" * 32, log_level="critical")
    with pytest.raises(Exception, match="nonsense"):
        create_app(wrong)
    assert gc.isenabled()


def test_what_a_second_application_leaves_can_be_collected() -> None:
    """Only what the first start of a process loads stays for good."""
    create_app(settings())
    kept = gc.get_freeze_count()
    create_app(settings())
    assert gc.get_freeze_count() == kept


def test_a_server_does_not_start_with_wrong_settings(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "DATABASE_URL": URL}
    words = [sys.executable, "-c", "from app.server import create_app; create_app()"]
    done = subprocess.run(  # noqa: S603 - our own interpreter
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("SECRET_KEY is not set")
