"""What a source may say about the dollar and be believed. Pure."""

import datetime as dt
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

# The day that sources file their values under.
ARGENTINA = ZoneInfo("America/Argentina/Buenos_Aires")
CENT = Decimal("0.01")
HIGHEST = Decimal("99999999.99")
# Farther than this from the last rate, a value is believed only when a second source says about the same.
BAND = Decimal("0.25")
AGREEMENT = Decimal("0.05")
# Over a long holiday nobody quotes.
OLDEST = dt.timedelta(days=7)


def sound_value(buy: Decimal | None, sell: Decimal, said_at: dt.datetime | None, now: dt.datetime) -> Decimal | None:
    """Pesos for a dollar to the cent: what sellers ask. None for what no source would say in earnest."""
    if not sell.is_finite() or not 0 < sell <= HIGHEST:
        return None
    if buy is not None and (not buy.is_finite() or not 0 < buy <= sell):
        return None
    if said_at is not None and now - said_at > OLDEST:
        return None
    value = sell.quantize(CENT, ROUND_HALF_UP)
    return value or None


def is_near(value: Decimal, reference: Decimal, share: Decimal) -> bool:
    return abs(value - reference) <= reference * share


def is_believed(value: Decimal, last: Decimal | None, doubted: Sequence[Decimal]) -> bool:
    """Near the last rate, or near what another source said that was doubted for the same reason."""
    if last is None or is_near(value, last, BAND):
        return True
    return any(is_near(value, other, AGREEMENT) for other in doubted)
