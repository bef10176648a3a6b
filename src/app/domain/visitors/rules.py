"""What is kept of a visit, and the days that are counted. Pure."""

import datetime as dt
import ipaddress

# The days of each period, the day itself included.
PERIODS = {"day": 1, "week": 7, "month": 30, "year": 365}
DEFAULT_PERIOD = "month"
DEFAULT_LIMIT = 10
MOST = 100
# No day before it can be counted back from.
_EARLIEST = dt.date(3, 1, 1)
USER_AGENT_LENGTH = 500
# Whoever comes from no address at all (a socket of this machine).
NOWHERE = "0.0.0.0"  # noqa: S104 - nothing listens there


def period_of(period: str, first: dt.date | None, last: dt.date | None, *, today: dt.date) -> tuple[dt.date, dt.date]:
    """The first and the last day that are counted; a day that was not said comes from the period."""
    last = max(last or today, _EARLIEST)
    return first or last - dt.timedelta(days=PERIODS[period] - 1), last


def limit_of(text: str | None) -> int:
    """How many are asked for: between 1 and 100; what is no number is ignored."""
    try:
        asked = int(text) if text else DEFAULT_LIMIT
    except ValueError:
        return DEFAULT_LIMIT
    return min(max(asked, 1), MOST)


def address_of(text: str) -> str | None:
    """An address as it is stored, None for what is none."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def user_agent_of(header: str) -> str:
    """What a browser says about itself: one line that can be shown, not without end."""
    return "".join(char if char.isprintable() else " " for char in header).strip()[:USER_AGENT_LENGTH]
