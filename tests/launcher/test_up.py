"""How long `make up` waits for the API."""

import pytest

from launcher import up
from launcher.console import Failure

NOW = 10_000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time it is, in seconds; nothing is ever ready, and nothing is started."""
    now = [NOW]
    monkeypatch.setattr(up.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(up, "is_ready", lambda _port: False)
    monkeypatch.setattr(up, "production", lambda: True)
    return now


def test_the_apis_time_does_not_run_while_packages_are_installed(clock: list[float]) -> None:
    announcement = up.Announcement({}, begun=NOW - 10 * up.READY_SECONDS)
    announcement.begin()
    announcement.look()
    clock[0] += up.READY_SECONDS
    announcement.look()


def test_an_api_that_is_never_ready_ends_it(clock: list[float]) -> None:
    announcement = up.Announcement({}, begun=NOW)
    clock[0] += 300
    announcement.begin()
    clock[0] += up.READY_SECONDS + 0.1
    with pytest.raises(Failure, match="the API was not ready after 120 s"):
        announcement.look()
