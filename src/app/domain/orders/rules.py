"""What the shop says when something cannot be done to an order. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from app.domain.orders.states import Status, may_move
from app.errors import Conflict, Invalid, Refused

# What a delivery cannot do without.
ADDRESS = ("shipping_street", "shipping_number", "shipping_city")
NEEDED = "This field is required for a delivery."
PICKUP_ONLY = "This order is picked up at its store."


class Outrun(Conflict):
    """Somebody else was quicker."""

    key = "error"


class WrongState(Refused):
    """The order's state does not allow it."""

    code = "invalid_transition"


class NotPending(Refused):
    """El pedido ya no está pendiente"""

    code = "not_pending"


def no_such_move(old: Status, new: Status) -> WrongState:
    """For a move that the table of moves does not have."""
    return WrongState(f"El pedido no puede pasar de {old} a {new}")


def unarchived_as(archived_from: Status | None, wanted: Status | None) -> Status:
    """What an archived order becomes: what it was, or what that may become. Raises WrongState."""
    was: Status = archived_from or "pending"
    target = wanted or was
    if target == "archived" or not (target == was or may_move(was, target)):
        raise WrongState(f"Un pedido que estaba {was} no puede volver del archivo a {target}")
    return target


def check_address(fields: Mapping[str, Any]) -> None:
    """Raises Invalid for a delivery without an address."""
    if fields["delivery_type"] != "delivery":
        return
    missing = {name: [NEEDED] for name in ADDRESS if not fields[name]}
    if missing:
        raise Invalid(missing)


def pickup_only() -> Invalid:
    """For an order of a promotion that is to be sent."""
    return Invalid.field("delivery_type", PICKUP_ONLY)


def insufficient_stock(short: Sequence[tuple[str, int | None, int]]) -> Outrun:
    """For lines of (product's name, its id, units left)."""
    named = "; ".join(f"de {name} (producto {number}) quedan {left}" for name, number, left in short)
    return Outrun(f"No hay stock suficiente: {named}", code="insufficient_stock")


class TooLittle(Refused):
    """The purchase is below the minimum."""

    code = "min_purchase"


LARGEST = Decimal("99999999.99")


def price_changed(lines: Sequence[Mapping[str, Any]]) -> Outrun:
    """For lines that the client believed to be cheaper; says what they cost."""
    return Outrun("Los precios cambiaron", code="price_changed", lines=list(lines))


def too_large() -> Refused:
    """For sums that no order can have."""
    return Refused("El total es demasiado grande", code="too_large")


def check_minimum(subtotal: Decimal, minimum: Decimal) -> None:
    """Raises TooLittle for less than the shop's minimum; equal passes."""
    if subtotal < minimum:
        raise TooLittle(f"El monto mínimo de compra es ${minimum:.2f}")
