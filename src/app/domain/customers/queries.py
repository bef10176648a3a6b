"""Customers with what they bought, and everything that is stored about one."""

from collections.abc import Collection
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import ColumnElement, Numeric, Select, Text, and_, cast, func, literal, or_, select, true, union_all

from app.domain.accounts.models import Profile, RefreshToken, User, VerificationCode
from app.domain.activity.models import ActivityLog
from app.domain.catalog.models import Review
from app.domain.devices.models import DeviceToken, NotificationPreference
from app.domain.inventory.models import ArchivedReservation, FinishedReservation, Reservation
from app.domain.orders.models import Order
from app.domain.orders.states import PAID_STATUSES

ReadStatement = Select[*tuple[Any, ...]]
CLOCK = func.clock_timestamp()
# Beyond this many words a search does not become more precise.
MAX_TERMS = 8
IS_CUSTOMER = and_(User.is_staff.is_(False), User.is_superuser.is_(False), User.deleted_at.is_(None))
_SEARCHED = (User.username, User.email, User.first_name, User.last_name, User.dni)
_SHOWN = (
    User.id,
    User.username,
    User.email,
    User.dni,
    User.first_name,
    User.last_name,
    User.date_joined,
    User.is_active,
    User.admin_notes,
)
_NEWEST = (User.date_joined.desc(), User.id.desc())
# As in the statistics (`order_is_paid`): what is archived was paid for, unless no sale was left of it before.
_PAID = or_(
    Order.status.in_(PAID_STATUSES),
    and_(Order.status == "archived", func.coalesce(Order.archived_from, "").not_in(("cancelled", "abandoned"))),
)


def found(search: str | None) -> ColumnElement[bool]:
    """Customers in whose names, address or document each word of the search occurs, in any case."""
    words = (search or "").split()[:MAX_TERMS]
    hits = [or_(*(column.icontains(word, autoescape=True) for column in _SEARCHED)) for word in words]
    return and_(IS_CUSTOMER, *hits)


def count(search: str | None) -> ReadStatement:
    return select(func.count()).select_from(User).where(found(search))


def page(search: str | None, limit: int, offset: int) -> ReadStatement:
    """Newest first; only what is on the page is summed up."""
    shown = select(*_SHOWN).where(found(search)).order_by(*_NEWEST).limit(limit).offset(offset)
    return _with_statistics(shown)


def one(user_id: int) -> ReadStatement:
    return _with_statistics(select(*_SHOWN).where(IS_CUSTOMER, User.id == user_id))


def _with_statistics(shown: ReadStatement) -> ReadStatement:
    customer = shown.subquery("customer")
    spent = func.coalesce(func.sum(Order.total).filter(_PAID), 0)
    bought = (
        select(
            func.count().label("total_orders"),
            cast(spent, Numeric(20, 2)).label("total_spent"),
            func.max(Order.created_at).label("last_purchase"),
        )
        .where(Order.user_id == customer.c.id, Order.is_temporary.is_(False), Order.status != "abandoned")
        .lateral("bought")
    )
    return (
        select(*customer.c, *bought.c)
        .select_from(customer.join(bought, true()))
        .order_by(customer.c.date_joined.desc(), customer.c.id.desc())
    )


def about(user_id: int) -> tuple[ColumnElement[bool], ...]:
    """The log's rows of which the user is the object."""
    return ActivityLog.content_type == "user", ActivityLog.object_id == str(user_id)


def about_orders(user_id: int) -> tuple[ColumnElement[bool], ...]:
    """The log's rows that say how the contact or the lines of the user's orders were changed."""
    own = select(cast(Order.id, Text)).where(Order.user_id == user_id)
    return ActivityLog.content_type == "order", ActivityLog.action == "update", ActivityLog.object_id.in_(own)


def stored_about(user_id: int) -> dict[str, ReadStatement]:
    """Under each heading of an export the statement of its rows. Hashes and staff's notes are not among them."""
    return {
        "account": _account(user_id),
        "sessions": _rows(RefreshToken, user_id, hidden={"jti", "family", "parent"}),
        "codes": _rows(VerificationCode, user_id, hidden={"salt", "digest"}),
        "activity": _rows(ActivityLog, user_id, hidden={"changes"}),
        "devices": _rows(DeviceToken, user_id),
        "notification_preferences": _rows(NotificationPreference, user_id),
        "reviews": _rows(Review, user_id),
        "holds": _holds(user_id),
    }


def _account(user_id: int) -> ReadStatement:
    hidden = {"password_hash", "admin_notes", "token_version", "deleted_at"}
    return (
        select(
            *(column for column in User.__table__.columns if column.name not in hidden),
            func.ST_Y(cast(Profile.location, Geometry)).label("latitude"),
            func.ST_X(cast(Profile.location, Geometry)).label("longitude"),
            Profile.first_paid_at,
            Profile.third_last_paid_at,
            Profile.segments_override,
        )
        .outerjoin(Profile, Profile.user_id == User.id)
        .where(User.id == user_id)
    )


def _rows(model: Any, user_id: int, hidden: Collection[str] = ()) -> ReadStatement:
    columns = [column for column in model.__table__.columns if column.name not in hidden]
    oldest_first = [column for column in columns if column.name in {"created_at", "id"}]
    return select(*columns).where(model.user_id == user_id).order_by(*oldest_first)


def _holds(user_id: int) -> ReadStatement:
    """Live, finished and archived ones, oldest first."""
    live = select(*_hold_columns(Reservation), literal("active").label("status"), literal(None).label("order_id"))
    over = select(*_hold_columns(FinishedReservation), FinishedReservation.status, FinishedReservation.order_id)
    old = select(*_hold_columns(ArchivedReservation), ArchivedReservation.status, literal(None).label("order_id"))
    every = union_all(
        live.where(Reservation.user_id == user_id),
        over.where(FinishedReservation.user_id == user_id),
        old.where(ArchivedReservation.user_id == user_id),
    ).subquery()
    return select(*every.c).order_by(every.c.created_at, every.c.token)


def _hold_columns(model: Any) -> tuple[Any, ...]:
    names = ("token", "promo_id", "store_product_id", "quantity", "unit_price", "created_at", "expires_at")
    return tuple(getattr(model, name) for name in names)
