"""Orders as they were placed a moment ago: what was written, and what the database added to it, is not read again."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row

from app.domain.carts.schemas import product_of
from app.domain.orders.schemas import orders as schemas
from app.domain.orders.service.drafts import Draft, contact_of, label_of

Line = Row[*tuple[Any, ...]]


def placed_of(drafts: Iterable[Draft], lines: Sequence[Line], media_url: str) -> dict[int, schemas.Order]:
    """As `OrderReader` would read them for their buyers, by id. `lines` are what `drafts.write` has returned.

    For orders without a coupon or a cart.
    """
    written: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        written[line.order_id].append(line)
    return {draft.id: _placed(draft, written[draft.id], media_url) for draft in drafts}


def _placed(draft: Draft, lines: Sequence[Line], media_url: str) -> schemas.Order:
    quote = draft.quote
    return schemas.Order(
        **contact_of(draft.order),
        id=draft.id,
        user=draft.order.user_id,
        store=None,
        status=draft.status,
        subtotal=quote.subtotal,
        discount=quote.discount,
        bulk_promotion_discount=quote.bulk_promotion_discount,
        total=quote.total,
        created_at=lines[0].created_at,
        updated_at=lines[0].updated_at,
        products=_items(draft, lines, media_url),
        shipping_notification_sent=False,
        coupon=None,
        coupon_details=None,
        is_temporary=False,
        anonymous_id=None,
        last_activity=None,
        payment_method=draft.order.payment_method,
    )


def _items(draft: Draft, lines: Sequence[Line], media_url: str) -> list[schemas.OrderItem]:
    return [
        schemas.OrderItem(
            row.id, product_of(row, media_url), line.quantity, line.unit_price, line.variants, label_of(draft, line)
        )
        for row, line in zip(lines, draft.quote.lines, strict=True)
    ]
