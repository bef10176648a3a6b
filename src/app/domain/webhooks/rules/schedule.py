"""When a message is tried again, and when a receiver is given up. Pure."""

from typing import Literal, get_args

State = Literal["pending", "delivered", "failed", "cancelled"]
Reason = Literal["gone", "failing"]
STATES: tuple[State, ...] = get_args(State)
REASONS: tuple[Reason, ...] = get_args(Reason)

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
# After each failure in turn; the schedule that Standard Webhooks suggests, three days and a half in all.
PAUSES = (5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
# Up to so much longer, so that what failed together comes apart.
JITTER = 0.25
# A receiver that has failed for so long without a success gets nothing more.
FAILING_DAYS = 5
# What a receiver may ask us to wait; and how long one rests that seems to have too much to do.
LONGEST_REST = HOUR
REST = 10.0
GONE = 410
# Too many requests, and what gateways say of a server that cannot keep up.
OVERLOADED = frozenset({429, 502, 503, 504})


def pause_after(attempts: int, chance: float) -> float | None:
    """Seconds until the next try after so many; None when there is none. `chance` lies between 0 and 1."""
    if attempts > len(PAUSES):
        return None
    return PAUSES[attempts - 1] * (1 + JITTER * chance)


def rest_after(status: int | None, retry_after: float | None) -> float:
    """Seconds for which a receiver that answered so gets nothing at all."""
    if status not in OVERLOADED:
        return 0.0
    return min(max(retry_after or 0.0, REST), LONGEST_REST)


def is_success(status: int | None) -> bool:
    """Any 2xx; a redirect is none, and is not followed."""
    return status is not None and 200 <= status < 300
