"""Statements that find and count orders."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, true

from app.domain.orders.models import Order
from app.domain.orders.queries.reading import NEWEST, ReadStatement
from app.domain.orders.schemas.inputs import OrderFilters
from app.domain.stores.models import Store
from app.http.fields import INT8_MAX
from app.http.principal import Principal

Condition = ColumnElement[bool]
# Not one of those that never were more than carts.
LASTING: Condition = Order.is_temporary.is_(False)


def own(user_id: int) -> Condition:
    return Order.user_id == user_id


def of_own_stores(user_id: int) -> Condition:
    """Orders that are picked up at a store of the user's."""
    owned = select(Store.id).where(Store.owner_id == user_id, Store.deleted_at.is_(None))
    return Order.store_id.in_(owned)


def visible(user: Principal) -> Condition:
    """What a user may read: staff everything, others their own orders and those of their stores."""
    return true() if user.is_admin else or_(own(user.id), of_own_stores(user.id))


def listed(user: Principal, filters: OrderFilters) -> Condition:
    """What a list shows: a store's orders to its owner only when that store is asked for."""
    conditions = [true() if user.is_admin else own(user.id), *_filters(filters)]
    if filters.store_id is not None:
        conditions.append(Order.store_id == filters.store_id)
        if not user.is_admin:
            conditions[0] = visible(user)
    if user.is_admin and filters.customer_id is not None:
        conditions.append(Order.user_id == filters.customer_id)
    return and_(*conditions)


def _filters(filters: OrderFilters) -> list[Condition]:
    found: list[Condition] = []
    if filters.exclude_temporary:
        found.append(LASTING)
    if filters.status is not None:
        found.append(Order.status == filters.status)
    if filters.since is not None:
        found.append(Order.created_at >= filters.since)
    if filters.until is not None:
        found.append(Order.created_at < filters.until)
    if filters.search is not None:
        found.append(_matches(filters.search))
    return found


def _matches(search: str) -> Condition:
    """The text occurs in the recipient's name or the e-mail, in any case, or it is the order's number."""
    hits: list[Condition] = [
        Order.recipient_name.icontains(search, autoescape=True),
        Order.customer_email.icontains(search, autoescape=True),
    ]
    if search.isascii() and search.isdigit() and int(search) <= INT8_MAX:
        hits.append(Order.id == int(search))
    return or_(*hits)


def count(condition: Condition) -> ReadStatement:
    return select(func.count()).select_from(Order).where(condition)


def page(condition: Condition, limit: int, offset: int, total: int) -> ReadStatement:
    """Newest first. Walked from the nearer end of the `total`; the rows of the page alone are read in full."""
    order: tuple[Any, ...] = NEWEST
    if offset > total // 2:
        order = (Order.created_at.asc(), Order.id.asc())
        limit = min(limit, max(total - offset, 0))
        offset = max(total - offset - limit, 0)
    ids = select(Order.id).where(condition).order_by(*order).limit(limit).offset(offset).subquery()
    return select(*Order.__table__.columns).join(ids, ids.c.id == Order.id).order_by(*NEWEST)


def by_status(condition: Condition) -> ReadStatement:
    """How many orders there are of each status; archived ones that had been shipped are `completed`."""
    completed = and_(Order.status == "archived", Order.archived_from == "shipped")
    name = case((completed, "completed"), else_=Order.status).label("status")
    return select(name, func.count().label("orders")).where(condition).group_by(name)


def recovered(condition: Condition) -> Select[Any]:
    return select(func.count()).select_from(Order).where(condition, Order.abandoned_cart_recovered)
