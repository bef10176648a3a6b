"""What the shop writes: one function a mail, in Spanish. Pure.

Whoever asks for a code or an order may name somebody else's address, so nothing that a visitor wrote goes to an address
that is not proven to be the visitor's own.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from app.domain.email.rules.blocks import Block, Code, Letter, Link, Paragraph, Rows
from app.domain.email.rules.kinds import CodeKind, OrderKind

CODE_NOTES = ("Nunca vamos a pedirte este código por teléfono ni por chat.",)
ORDER_NOTES = ("Te escribimos porque este email figura en el pedido. Si no lo hiciste vos, avisanos.",)
REMINDER_NOTES = ("Te escribimos porque dejaste un carrito sin terminar.",)

# Under each kind: the subject, what the code is for, what to do when somebody else asked for it.
_CODES: dict[CodeKind, tuple[str, str, str]] = {
    "verification": (
        "Verificá tu email",
        "Con este código verificás tu email y activás tu cuenta:",
        "Si no creaste una cuenta, no tenés que hacer nada: sin el código nadie puede usar tu email.",
    ),
    "password_reset": (
        "Restablecé tu contraseña",
        "Con este código podés elegir una contraseña nueva:",
        "Si no lo pediste, no tenés que hacer nada: tu contraseña sigue siendo la misma.",
    ),
    "email_change": (
        "Confirmá tu nuevo email",
        "Con este código confirmás que este email es tuyo y lo usás en tu cuenta:",
        "Si no lo pediste, no tenés que hacer nada: sin el código tu email no cambia de cuenta.",
    ),
    "password_change": (
        "Confirmá el cambio de contraseña",
        "Con este código confirmás el cambio de tu contraseña:",
        "Si no lo pediste, alguien conoce tu contraseña: cambiala cuanto antes.",
    ),
}


class Line(msgspec.Struct, frozen=True):
    """One product of an order: in pesos, for all its units."""

    quantity: int
    name: str
    options: str
    total: Decimal


class OrderSheet(msgspec.Struct, frozen=True, kw_only=True):
    """An order as a mail tells of it. `name` and `place` are empty unless `recipient` is proven to be the buyer's."""

    id: int
    recipient: str
    user_id: int | None
    name: str
    place: str
    store: str
    status: str
    delivery_type: str
    payment_method: str
    lines: Sequence[Line]
    subtotal: Decimal
    discount: Decimal
    total: Decimal


class CartSheet(msgspec.Struct, frozen=True, kw_only=True):
    """A cart as a reminder tells of it; `recipient` is proven to be its owner's."""

    recipient: str
    user_id: int
    name: str
    lines: Sequence[Line]
    subtotal: Decimal
    discount: Decimal
    total: Decimal


def code_letter(kind: CodeKind, digits: str, until: dt.datetime) -> Letter:
    """A code and what it is for. `until` is in the shop's zone."""
    subject, purpose, otherwise = _CODES[kind]
    blocks = (
        Paragraph("Hola:"),
        Paragraph(purpose),
        Code(digits),
        Paragraph(f"Vale una sola vez, hasta las {until:%H:%M} (hora de la tienda). {otherwise}"),
    )
    return Letter(subject, blocks, CODE_NOTES)


def order_letter(kind: OrderKind, order: OrderSheet, shop_url: str) -> Letter:
    """What happened to an order, with its lines."""
    subject, told = _ORDERS[kind](order)
    blocks: list[Block] = [Paragraph(_greeting(order)), Paragraph(told), _lines(order)]
    if where := _where(order):
        blocks.append(Paragraph(where))
    return Letter(subject, [*blocks, Link("Ir a la tienda", shop_url)], ORDER_NOTES)


def reminder_letter(cart: CartSheet, shop_url: str) -> Letter:
    """What was left in a cart."""
    told = "Quedaron productos en tu carrito. Los precios y el stock pueden cambiar."
    blocks = (Paragraph(_greeting(cart)), Paragraph(told), _lines(cart), Link("Volver a mi carrito", shop_url))
    return Letter("Tu carrito te espera", blocks, REMINDER_NOTES)


def _created(order: OrderSheet) -> tuple[str, str]:
    pay = {
        "cash": "Lo pagás en efectivo.",
        "online": "Lo preparamos en cuanto se acredite el pago.",
    }[order.payment_method]
    return f"Recibimos tu pedido n.º {order.id}", f"Recibimos tu pedido n.º {order.id}. {pay}"


def _paid(order: OrderSheet) -> tuple[str, str]:
    told = f"Se acreditó el pago de tu pedido n.º {order.id}. Ya lo estamos preparando."
    return f"Recibimos el pago de tu pedido n.º {order.id}", told


def _shipped(order: OrderSheet) -> tuple[str, str]:
    if order.delivery_type == "pickup":
        return f"Tu pedido n.º {order.id} está listo para retirar", f"Ya podés retirar tu pedido n.º {order.id}."
    return f"Tu pedido n.º {order.id} va en camino", f"Despachamos tu pedido n.º {order.id}: va en camino."


_ORDERS: dict[OrderKind, Callable[[OrderSheet], tuple[str, str]]] = {
    "order_created": _created,
    "payment_received": _paid,
    "order_shipped": _shipped,
}


def _greeting(order: OrderSheet | CartSheet) -> str:
    return f"Hola, {one_line(order.name)}:" if order.name.strip() else "Hola:"


def _lines(order: OrderSheet | CartSheet) -> Rows:
    rows = [(_product(line), pesos(line.total)) for line in order.lines]
    sums = [("Total", pesos(order.total))]
    if order.discount:
        sums = [("Subtotal", pesos(order.subtotal)), ("Descuentos", f"-{pesos(order.discount)}"), *sums]
    return Rows([*rows, *sums], totals=len(sums))


def _product(line: Line) -> str:
    options = f" ({one_line(line.options)})" if line.options else ""
    return f"{line.quantity} x {one_line(line.name)}{options}"


def _where(order: OrderSheet) -> str:
    if order.delivery_type == "pickup":
        return f"Lo retirás en {one_line(order.store)}." if order.store else "Lo retirás en la tienda."
    return f"Lo enviamos a {one_line(order.place)}." if order.place else ""


def one_line(text: str) -> str:
    """Text from outside without line breaks and control characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def pesos(amount: Decimal) -> str:
    """`$ 12.345,60`."""
    return "$ " + f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))


def trial_letter() -> Letter:
    """What staff get who ask whether mails arrive."""
    return Letter("Email de prueba", (Paragraph("Hola:"), Paragraph("Si leés esto, el envío de correos funciona.")))


def webhook_letter(url: str, reason: str) -> Letter:
    """What staff get when a receiver of webhooks is given up."""
    why = {"gone": "contestó que ya no existe (410)", "failing": "falla desde hace días sin un solo éxito"}[reason]
    blocks = (
        Paragraph("Hola:"),
        Paragraph(f"Dejamos de mandar eventos a {one_line(url)}: {why}."),
        Paragraph(
            "Lo que no llegó queda en el registro de entregas. Cuando funcione de nuevo, volvé a activar el webhook."
        ),
    )
    return Letter("Un webhook quedó desactivado", blocks)
