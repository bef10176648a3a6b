"""What a coupon takes off, and when it does not."""

import datetime as dt
from decimal import Decimal

from app.domain.pricing.rules.amounts import to_cents
from app.domain.pricing.rules.facts import NOTHING, Coupon
from app.domain.pricing.rules.quotes import CouponRefusal

UNKNOWN = CouponRefusal("coupon_unknown", "El cupón no existe")


def refusal_of(coupon: Coupon, now: dt.datetime) -> CouponRefusal | None:
    """Why a coupon is good for nothing now, whatever is bought."""
    if not coupon.active:
        return CouponRefusal("coupon_inactive", "El cupón no está activo")
    if coupon.expires_at is not None and coupon.expires_at <= now:
        return CouponRefusal("coupon_expired", "El cupón está vencido")
    if coupon.max_uses is not None and coupon.used >= coupon.max_uses:
        return CouponRefusal("coupon_exhausted", "El cupón ya no tiene usos disponibles")
    if coupon.max_uses_per_user is not None and coupon.used_by_user >= coupon.max_uses_per_user:
        return CouponRefusal("coupon_exhausted", "Ya usaste este cupón todas las veces posibles")
    return None


def minimum_refusal(coupon: Coupon, purchase: Decimal) -> CouponRefusal | None:
    """Why a purchase is too small for a coupon; one that equals the minimum is not."""
    if purchase >= coupon.min_purchase:
        return None
    return CouponRefusal("coupon_below_minimum", f"El cupón pide una compra mínima de ${coupon.min_purchase:.2f}")


def not_eligible() -> CouponRefusal:
    return CouponRefusal("coupon_not_eligible", "El cupón no vale para ninguno de los productos")


def amount_off(coupon: Coupon, base: Decimal) -> Decimal:
    """What the coupon takes off its lines, which cost `base` after promotions: never more than that."""
    off = to_cents(base * coupon.value / 100) if coupon.type == "percentage" else coupon.value
    if coupon.max_amount is not None:
        off = min(off, coupon.max_amount)
    return to_cents(max(min(off, base), NOTHING))
