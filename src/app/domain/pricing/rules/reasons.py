"""Why a line costs what it does, in words for people."""

from decimal import Decimal

from app.domain.pricing.rules.quotes import PricedLine

_SOURCES = {
    "product_discount": "descuento del producto",
    "offer": "oferta «{name}»",
    "scheduled_discount": "descuento del día «{name}»",
}


def reasons_of(priced: PricedLine) -> list[str]:
    """One sentence for each thing that changed the price, in the order in which it was reckoned."""
    reasons = []
    if adjustment := priced.line.adjustment:
        reasons.append(f"{'+' if adjustment > 0 else '-'}${abs(adjustment)} por las opciones elegidas")
    if priced.discount.source is not None:
        source = _SOURCES[priced.discount.source].format(name=priced.discount.name)
        reasons.append(f"{percent_text(priced.discount.percent)} menos: {source}")
    if priced.bulk_discount:
        units = "1 unidad" if priced.free_units == 1 else f"{priced.free_units} unidades"
        reasons.append(f"Promoción «{priced.bulk_name}»: {units} sin cargo, -${priced.bulk_discount}")
    if priced.coupon_share:
        reasons.append(f"Cupón: -${priced.coupon_share}")
    return reasons


def percent_text(percent: Decimal) -> str:
    """10 %, 12,5 %."""
    return f"{percent.normalize():f}".replace(".", ",") + " %"
