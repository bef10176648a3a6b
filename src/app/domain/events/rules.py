"""Which events there are. Pure. What each carries is in docs/events.md."""

TYPES: dict[str, str] = {
    "product.created": "A product was made.",
    "product.updated": "A product's fields, options, pictures or stock were written.",
    "product.deleted": "A product is gone from every list.",
    "promo.created": "A flash promotion was planned.",
    "promo.updated": "A flash promotion was changed before its start.",
    "promo.started": "A flash promotion began.",
    "promo.ended": "A flash promotion's time is over.",
    "promo.cancelled": "A flash promotion was called off.",
    "order.created": "An order was placed.",
    "order.updated": "An order's lines, coupon, sums or contact were changed.",
    "order.pending": "An abandoned order came back.",
    "order.payment_pending": "An order waits for its payment.",
    "order.paid": "An order was paid.",
    "order.shipped": "An order was sent.",
    "order.cancelled": "An order was cancelled; what it took is back in stock.",
    "order.abandoned": "An order was left unpaid; what it took is back in stock.",
    "order.archived": "An order was put away.",
    "order.deleted": "An order was deleted.",
    "payment.approved": "A payment's money is there.",
    "payment.rejected": "A payment was refused.",
    "payment.refunded": "Money of a payment went back, in part or all of it.",
    "cart.abandoned": "A cart was left behind.",
    "cart.recovered": "A cart that was left behind is used again.",
    "cart.converted": "A cart became an order.",
}


def is_wanted(wanted: tuple[str, ...] | list[str], kind: str) -> bool:
    """Whether a list of types has this one in it; an empty list wants all."""
    return not wanted or kind in wanted
