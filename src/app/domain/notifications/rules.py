"""Pure decisions about pushes: their kinds and states, their words, when a failed one is tried again."""

import datetime as dt
from decimal import Decimal
from typing import Literal, get_args

import msgspec

Kind = Literal["new_order", "order_update", "order", "payment_received", "order_shipped", "general"]
# What clients read.
Status = Literal["pending", "sent", "failed", "delivered"]
# What we know: a push whose answer was lost may or may not have been shown, and is never sent again.
State = Literal["waiting", "sending", "sent", "delivered", "failed", "unknown"]
KINDS: tuple[Kind, ...] = get_args(Kind)
STATES: tuple[State, ...] = get_args(State)
SHOWN: dict[State, Status] = {
    "waiting": "pending",
    "sending": "pending",
    "sent": "sent",
    "delivered": "delivered",
    "failed": "failed",
    "unknown": "failed",
}
FIRST_PAUSE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 900.0
# A push about an order is news for an hour; a test, while somebody looks at the telephone: it is tried once.
ORDER_LIFE = dt.timedelta(hours=1)
TEST_LIFE = dt.timedelta(seconds=10)
# What push services keep at most, and what is worth keeping at least.
LONGEST_TTL_SECONDS = 28 * 24 * 3600
TITLE_LENGTH, BODY_LENGTH = 200, 500
TEST_TITLE = "Notificación de prueba"
TEST_BODY = "Las notificaciones funcionan correctamente"


class Words(msgspec.Struct, frozen=True):
    """What a push says and of which kind it is."""

    kind: Kind
    title: str
    body: str


def retry_pause(attempts: int, wait: float, chance: float) -> float:
    """Seconds until a push that did not get through is tried again: at least what the provider asks for.

    It doubles with the attempts; `chance`, from 0 to 1, spreads it by half, so that what failed together comes apart.
    """
    longest = min(FIRST_PAUSE_SECONDS * 2.0 ** min(max(attempts - 1, 0), 20), LONGEST_PAUSE_SECONDS)
    return max(wait, longest) * (1 + chance / 2)


def ttl_seconds(expires_at: dt.datetime, now: dt.datetime) -> int:
    """How long a push service should keep a push for a device that is off."""
    return min(max(int((expires_at - now).total_seconds()), 0), LONGEST_TTL_SECONDS)


def money(amount: Decimal) -> str:
    """As it is written in Argentina: $ 1.234,50."""
    whole, cents = f"{amount:,.2f}".split(".")
    return f"$ {whole.replace(',', '.')},{cents}"


def promo_words(product: str, store: str, price: Decimal, until: dt.datetime, now: dt.datetime) -> Words:
    """Both instants are on the shop's clock."""
    title = f"⚡ {product}"[:TITLE_LENGTH]
    end = f"las {until:%H:%M}" if until.date() == now.date() else f"el {until:%d/%m} a las {until:%H:%M}"
    return Words("general", title, f"{store}: {money(price)} hasta {end}"[:BODY_LENGTH])


def new_order_words(order_id: int, recipient: str, total: Decimal) -> Words:
    return Words("new_order", f"Nuevo pedido #{order_id}", f"{recipient} · {money(total)}"[:BODY_LENGTH])


def low_stock_words(product: str, product_id: int, units: int, store: str | None = None) -> Words:
    """Without a store it is the online shop's."""
    left = "queda 1 unidad" if units == 1 else f"quedan {units} unidades"
    place = f" en {store}" if store else ""
    return Words("general", "Stock bajo", f"{product} (producto {product_id}){place}: {left}"[:BODY_LENGTH])


_MOVES: dict[str, tuple[Kind, str, str]] = {
    "pending": ("order_update", "Pedido #{}", "Tu pedido está pendiente"),
    "payment_pending": ("order_update", "Pedido #{}", "Tu pedido espera el pago"),
    "paid": ("payment_received", "Pago recibido", "Recibimos el pago de tu pedido #{}"),
    "shipped": ("order_shipped", "Pedido en camino", "Tu pedido #{} fue enviado"),
    "cancelled": ("order_update", "Pedido cancelado", "Tu pedido #{} fue cancelado"),
}


def move_words(order_id: int, status: str) -> Words | None:
    """What a customer is told when an order has become this; None when it is no news."""
    if status not in _MOVES:
        return None
    kind, title, body = _MOVES[status]
    return Words(kind, title.format(order_id), body.format(order_id))
