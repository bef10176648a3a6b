"""Pure decisions about promotions: words, bounds, what a verdict means to the buyer."""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from app.domain.accounts.rules.doors import AccessTokenRefused, UserInactive, UserNotFound
from app.errors import AppError, Conflict, Forbidden, Invalid, NotFound

Segment = Literal["new", "frequent"]
Status = Literal["scheduled", "active", "finished", "cancelled"]
HoldStatus = Literal["held", "confirmed", "cancelled", "expired"]

UNKNOWN_PROMO = "No FlashPromo matches the given query."
UNKNOWN_HOLD = "No Reservation matches the given query."


class StateError(AppError):
    """The promotion does not allow this any more."""

    status = 400


def unit_price(base: Decimal, price: Decimal | None, percent: Decimal | None) -> Decimal:
    """What one unit costs, in the currency of `base`, to the cent, halves up; the SQL twin is `promo_price`."""
    if price is not None:
        return price
    share = (Decimal(100) - (percent or Decimal(0))) / Decimal(100)
    return (base * share).quantize(Decimal("0.01"), ROUND_HALF_UP)


def refusal(verdict: str, units_left: int) -> AppError:
    """The answer to a claim that was not granted."""
    left: dict[str, Any] = {"units_left": units_left}
    match verdict:
        case "no_user":
            return UserNotFound()
        case "inactive_user":
            return UserInactive()
        case "stale_token":
            return AccessTokenRefused("Token is invalid")
        case "no_promo":
            return NotFound(UNKNOWN_PROMO)
        case "not_active":
            # Whatever lies in stock, nobody could hold it.
            return Conflict("The promotion is not active.", code="promo_not_active", units_left=0)
        case "not_eligible":
            return Forbidden("This promotion is not offered to you.", code="not_eligible")
        case "limit":
            return Conflict("You have reached the limit of this promotion.", code="limit_reached", **left)
        case "short":
            return Conflict("There are not enough units left.", code="insufficient_stock", **left)
        case "too_dear":
            return bad_hold({"quantity": ["Ensure that the total is not above 99999999.99."]})
        case _:
            raise ValueError(f"unknown verdict {verdict!r}")


def bad_hold(fields: dict[str, Any]) -> Invalid:
    """A body of the cart's operations that cannot be read: the field map, and its first message as `detail`."""
    first = next(iter(fields.values()))
    return Invalid({"detail": first[0] if isinstance(first, list) else str(first), **fields})


def over_hold(status: HoldStatus) -> Conflict:
    """The answer to somebody who wants to end a hold that has ended otherwise."""
    words = {
        "expired": "The hold has expired.",
        "cancelled": "The hold was cancelled.",
        "confirmed": "The hold was confirmed.",
    }
    return Conflict(words[status], code=f"hold_{status}")


def check_window(starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    """Raises Invalid unless the window ends after it starts, and after now."""
    if ends_at <= starts_at:
        raise Invalid.field("ends_at", "ends_at must be after starts_at.")
    if ends_at <= now:
        raise Invalid.field("ends_at", "ends_at must be in the future.")


def check_price(base: Decimal, price: Decimal | None, percent: Decimal | None) -> None:
    """Raises Invalid for two prices at once, or one above the store's."""
    if price is not None and percent is not None:
        raise Invalid.whole("Give promo_price or discount_percent, not both.")
    if price is not None and price > base:
        raise Invalid.field("promo_price", f"Ensure this value is less than or equal to {base}.")
