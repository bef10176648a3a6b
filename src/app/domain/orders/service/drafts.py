"""Orders on their way into the tables: one of them or many, in as many statements."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.service import ActivityService, Deed
from app.domain.orders.queries import creation as queries
from app.domain.orders.service.placing import news_of
from app.domain.orders.service.prices import Wanted
from app.domain.orders.states import PaymentMethod, Status
from app.domain.storefront.service.quotes import Quote, QuotedLine
from app.http.principal import Principal
from app.jobs.queue import defer_all

LABEL_LENGTH = 200
# What nobody said of where it goes.
_NO_CONTACT = {
    **dict.fromkeys(("customer_dni_cuit", "customer_phone", "shipping_address", "shipping_street"), ""),
    **dict.fromkeys(("shipping_number", "shipping_neighborhood", "shipping_city", "shipping_postal_code"), ""),
    "delivery_type": "delivery",
}


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order that is asked for. `contact` are the columns of who gets it where; `cause` a word for its timeline.

    A coupon that is named by its code has to hold; of one by its id the order takes the good, if there is any.
    """

    user_id: int | None
    contact: Mapping[str, Any]
    lines: Sequence[Wanted]
    payment_method: PaymentMethod = "cash"
    coupon_code: str | None = None
    coupon_id: UUID | None = None
    anonymous_id: str | None = None
    cause: str = "created"


class Draft(msgspec.Struct, frozen=True):
    """An order that has its number and its prices. `actor` is who asked for it, None for nobody."""

    id: int
    order: NewOrder
    quote: Quote
    actor: Principal | None

    @property
    def status(self) -> Status:
        """What costs nothing is paid."""
        return "pending" if self.quote.total else "paid"


async def write(session: AsyncSession, drafts: Sequence[Draft]) -> Sequence[Row[*tuple[Any, ...]]]:
    """Orders, their lines, their first events, the log and the jobs, in the caller's transaction.

    The rows of `queries.WRITE`: the lines, the orders in the order of their ids.
    """
    values = {
        "orders": [_columns(draft) for draft in drafts],
        "items": [_item(draft, line) for draft in drafts for line in draft.quote.lines],
        "events": [_event(draft) for draft in drafts],
    }
    texts = {name: msgspec.json.encode(rows).decode() for name, rows in values.items()}
    lines = (await session.execute(queries.WRITE, texts)).all()
    await ActivityService(session).write_each("order", "order", [(draft.actor, _deed(draft)) for draft in drafts])
    await defer_all(session, [news for draft in drafts for news in news_of(draft.id)])
    return lines


def _deed(draft: Draft) -> Deed:
    changes = {"status": [None, draft.status], "total": [None, draft.quote.total]}
    return Deed(object_id=draft.id, description=f"Nueva orden creada: {draft.id}", changes=changes)


def _columns(draft: Draft) -> dict[str, Any]:
    """As JSON, money as text."""
    order, quote = draft.order, draft.quote
    return {
        **contact_of(order),
        "id": draft.id,
        "user_id": order.user_id,
        "anonymous_id": order.anonymous_id,
        "payment_method": order.payment_method,
        "status": draft.status,
        "subtotal": str(quote.subtotal),
        "bulk_promotion_discount": str(quote.bulk_promotion_discount),
        "discount": str(quote.discount),
        "total": str(quote.total),
        "coupon_id": None if quote.coupon_id is None else str(quote.coupon_id),
        "dollar_rate": None if quote.dollar_rate is None else str(quote.dollar_rate),
    }


def _event(draft: Draft) -> dict[str, Any]:
    by = (draft.actor.id or None) if draft.actor else None
    return {"order_id": draft.id, "status": draft.status, "by": by, "cause": draft.order.cause}


def _item(draft: Draft, line: QuotedLine) -> dict[str, Any]:
    return {
        "order_id": draft.id,
        "place": line.place,
        "product_id": line.product_id,
        "pool_ids": list(line.pool_ids),
        "quantity": line.quantity,
        "price": str(line.unit_price),
        "variants": line.variants,
        "variants_label": label_of(draft, line),
    }


def contact_of(order: NewOrder) -> Mapping[str, Any]:
    """Who gets an order where, every column named."""
    return {**_NO_CONTACT, **order.contact}


def label_of(draft: Draft, line: QuotedLine) -> str:
    """The client's words for a line's choice, else the shop's."""
    return (draft.order.lines[line.place].label or line.variants_label)[:LABEL_LENGTH]
