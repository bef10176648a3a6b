"""The application with its providers in the sandbox, and what the suites watch while they run."""

from collections import Counter
from typing import Any

import asyncpg
import msgspec
import pytest

from app.clients.google_sheets import Quota
from app.server import Relampago
from tests.chaos.results import Goals
from tests.contract.conftest import running, world  # noqa: F401 - pytest finds its fixtures here
from tests.contract.objects import World
from tests.security.findings import Findings

# Refusals that a handler words: something is there already, or is referred to; our functions' own; a row that waits.
MEANT = {"23505", "23503", "RL400"}


@pytest.fixture(scope="session")
def findings(goals: Goals) -> Findings:
    return Findings(goals)


@pytest.fixture
def database_errors(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """What PostgreSQL says to any connection of this process: SQLSTATE and message, whatever became of it."""
    told: Counter[str] = Counter()
    new = asyncpg.PostgresError.new.__func__

    def noted(cls: Any, fields: Any, query: Any = None) -> Any:
        error = new(cls, fields, query)
        if error.sqlstate not in MEANT:
            told[f"{error.sqlstate} {error}"[:200]] += 1
        return error

    monkeypatch.setattr(asyncpg.PostgresError, "new", classmethod(noted))
    return told


@pytest.fixture
def mailing(world: World, app: Relampago, monkeypatch: pytest.MonkeyPatch) -> World:  # noqa: F811 - the fixture
    """The world with a mail server too, and a spreadsheet that takes as many calls as there are."""
    wired = msgspec.structs.replace(
        app.state.settings, smtp_host="127.0.0.1", smtp_port=world.till.sandbox.smtp_port, mail_from="shop@shop.test"
    )
    monkeypatch.setitem(app.state._state, "settings", wired)
    monkeypatch.setattr(Quota, "take", no_wait)
    monkeypatch.setattr(world.till.sandbox.world.sheets, "quota", 1_000_000)
    return world


async def no_wait(_quota: Quota) -> None:
    """Google counts calls; the suites do not care how often they call."""
