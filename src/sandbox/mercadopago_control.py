"""MercadoPago's calls for programs: pay, turn a payment, set habits and the clock, look at what moved and was sent."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import get, post

from sandbox import mercadopago
from sandbox.mercadopago import refused
from sandbox.mercadopago_checkout import charge
from sandbox.mercadopago_errors import Refused
from sandbox.mercadopago_notifier import Delivery
from sandbox.mercadopago_till import OUTCOMES, Habits, Move
from sandbox.world import World

EMU = "/mercadopago/__emu__"
BOTH = ("/__emu__", EMU)
SHARED: Any = {"exception_handlers": {Refused: refused}}


class Pay(msgspec.Struct, kw_only=True):
    """A payment of a preference. What follows `outcome` is written over the payment; `notify` false keeps it quiet."""

    preference_id: str
    outcome: str = "APRO"
    transaction_amount: float | None = None
    currency_id: str | None = None
    collector_id: int | None = None
    external_reference: str | None = None
    operation_type: str | None = None
    live_mode: bool | None = None
    notify: bool = True

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"an outcome is one of {', '.join(OUTCOMES)}")

    @property
    def changes(self) -> dict[str, Any]:
        fields = self.__struct_fields__[2:-1]
        return {name: value for name in fields if (value := getattr(self, name)) is not None}


class Paid(msgspec.Struct):
    payment_id: str
    status: str


class Turn(msgspec.Struct):
    status: str
    status_detail: str = ""
    notify: bool = True


class Clock(msgspec.Struct):
    """Set the provider's clock forward."""

    advance_seconds: Annotated[float, msgspec.Meta(ge=0, le=1e8)] = 0.0


class Release(msgspec.Struct):
    """Send what was held: as it came, backwards, or by its numbers in any order."""

    order: list[int] | Literal["kept", "reversed"] = "kept"


@post(f"{EMU}/pay", status_code=200, **SHARED)
async def pay(world: World, data: Pay) -> Paid:
    made = charge(world, data.preference_id, data.outcome, data.changes, tell=data.notify)
    return Paid(str(made["id"]), made["status"])


@post([f"{base}/payments/{{number:str}}/status" for base in BOTH], status_code=200, **SHARED)
async def turn(world: World, number: str, data: Turn) -> Paid:
    """A late approval, an expiry, a dispute."""
    made = world.till.turn(number, data.status, data.status_detail)
    mercadopago.show(world, made)
    if data.notify:
        world.notifier.tell(made, "payment.updated")
    return Paid(str(made["id"]), made["status"])


@post(f"{EMU}/payments/{{number:str}}/refund", status_code=200, **SHARED)
async def refund_by_hand(world: World, number: str) -> Paid:
    """All that is left, as the seller does in the provider's own panel."""
    world.till.refund(number, None, f"panel-{world.till.number()}")
    made = world.till.payment(number)
    mercadopago.show(world, made)
    world.notifier.tell(made, "payment.updated")
    return Paid(str(made["id"]), made["status"])


@get([f"{base}/deliveries" for base in BOTH])
async def deliveries(world: World) -> list[Delivery]:
    """Every try to notify the shop with its answer, newest first."""
    return world.notifier.deliveries[::-1]


@get(f"{EMU}/ledger")
async def ledger(world: World) -> list[Move]:
    """Every peso that moved, oldest first."""
    return world.till.ledger


@get(f"{EMU}/habits")
async def habits(world: World) -> Habits:
    return world.till.habits


@post(f"{EMU}/habits", status_code=200)
async def set_habits(world: World, data: Habits) -> Habits:
    world.till.habits = data
    return data


@post(f"{EMU}/release", status_code=200)
async def release(world: World, data: Release) -> dict[str, int]:
    held, world.notifier.held = world.notifier.held, []
    if isinstance(data.order, list):
        chosen = [held[number] for number in data.order if 0 <= number < len(held)]
    else:
        chosen = held if data.order == "kept" else held[::-1]
    for one in chosen:
        # One after the other: the order of arrival is what was asked for.
        world.notifier.send([one])
        await world.notifier.settle()
    return {"sent": len(chosen)}


@post(f"{EMU}/redeliver", status_code=200)
async def redeliver(world: World) -> dict[str, int]:
    """What could not be delivered is sent again now, and has arrived or failed when this answers."""
    sent = world.notifier.redeliver()
    await world.notifier.settle()
    return {"sent": sent}


@post([f"{base}/clock" for base in BOTH], status_code=200)
async def clock(world: World, data: Clock) -> dict[str, Any]:
    world.till.offset += data.advance_seconds
    return {"now": world.till.now(), "sent": world.notifier.pump()}


HANDLERS = (
    pay,
    turn,
    refund_by_hand,
    deliveries,
    ledger,
    habits,
    set_habits,
    release,
    redeliver,
    clock,
)
