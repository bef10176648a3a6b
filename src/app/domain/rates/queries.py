"""Which rate counts, as SQL that other statements can use too."""

from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Numeric, ScalarSelect, Select, and_, case, func, literal, or_, select, text

from app.domain.accounts.models import User
from app.domain.rates.models import DollarRate

ReadStatement = Select[*tuple[Any, ...]]
# A rate that follows the sources is not trusted longer than this without word from one of them.
TRUSTED = text("interval '24 hours'")
_RANK = case((DollarRate.rate_type == "manual", 0), (DollarRate.rate_type == "blue", 1), else_=2)


def rates(*, inactive: bool) -> ReadStatement:
    """The rates, newest first, with the name of who set each; those that are off only when asked for."""
    statement = (
        select(*DollarRate.__table__.columns, User.username.label("updated_by_name"))
        .outerjoin_from(DollarRate, User, User.id == DollarRate.updated_by_id)
        .order_by(DollarRate.update_date.desc(), DollarRate.id.desc())
    )
    return statement if inactive else statement.where(DollarRate.is_active)


def is_stale() -> ColumnElement[bool]:
    """Whether a rate that follows the sources has not been confirmed by one; what a person set does not age."""
    unconfirmed = or_(DollarRate.stale_since.is_not(None), DollarRate.update_date < func.now() - TRUSTED)
    return and_(DollarRate.auto_update, unconfirmed)


def effective() -> ReadStatement:
    """The rate at which dollars become pesos: the active manual one, else blue, else official; no row without any."""
    columns = DollarRate.value, DollarRate.rate_type, DollarRate.id, is_stale().label("stale")
    return select(*columns).where(DollarRate.is_active).order_by(_RANK, DollarRate.id.desc()).limit(1)


def effective_value() -> ScalarSelect[Decimal]:
    """The effective rate as a scalar expression; NULL without any."""
    statement = select(DollarRate.value).where(DollarRate.is_active).order_by(_RANK, DollarRate.id.desc()).limit(1)
    return statement.correlate(None).scalar_subquery()


def in_pesos(price: ColumnElement[Any], currency: ColumnElement[str]) -> ColumnElement[Decimal]:
    """A price in ARS, rounded half up to the cent; NULL for a USD price without a rate."""
    dollars = func.round(price * effective_value(), literal(2), type_=Numeric(12, 2))
    return case((currency == "USD", dollars), else_=price)
