"""The statements of visitors."""

from typing import Any

from sqlalchemy import Select, func, select, text

from app.domain.visitors.models import Visitor
from app.domain.visitors.schemas import VisitorFilters

# One row an address however many visits come at once; what a visit does not say stays as the last one said it.
REGISTER = text("""
    INSERT INTO visitor AS v (ip_address, user_agent, country, city, referrer, first_visit, last_visit)
    VALUES (CAST(:address AS inet), :user_agent, :country, :city, :referrer, clock_timestamp(), clock_timestamp())
        ON CONFLICT (ip_address) DO UPDATE
       SET visit_count = v.visit_count + 1,
           last_visit = greatest(v.last_visit, clock_timestamp()),
           is_active = true,
           user_agent = COALESCE(NULLIF(excluded.user_agent, ''), v.user_agent),
           country = COALESCE(NULLIF(excluded.country, ''), v.country),
           city = COALESCE(NULLIF(excluded.city, ''), v.city),
           referrer = COALESCE(NULLIF(excluded.referrer, ''), v.referrer)
 RETURNING visit_count
""")
NOW = text("SELECT clock_timestamp()")
STATS = text("""
    SELECT count(*) AS total_visitors,
           count(*) FILTER (WHERE last_visit >= :today) AS visitors_today,
           count(*) FILTER (WHERE last_visit >= :yesterday AND last_visit < :today) AS visitors_yesterday,
           count(*) FILTER (WHERE last_visit >= now() - interval '7 days') AS visitors_last_week,
           count(*) FILTER (WHERE last_visit >= now() - interval '30 days') AS visitors_last_month,
           count(*) FILTER (WHERE first_visit >= :today) AS new_visitors_today,
           count(*) FILTER (WHERE first_visit >= :yesterday AND first_visit < :today) AS new_visitors_yesterday,
           count(*) FILTER (WHERE first_visit >= :since AND first_visit < :until) AS new_visitors_in_period
      FROM visitor
""")
_LAST_FIRST = (Visitor.last_visit.desc(), Visitor.id.desc())
_COLUMNS = (
    Visitor.id,
    func.host(Visitor.ip_address).label("ip_address"),
    Visitor.user_agent,
    Visitor.first_visit,
    Visitor.last_visit,
    Visitor.visit_count,
    Visitor.is_active,
    Visitor.country,
    Visitor.city,
    Visitor.referrer,
)


def visitors(filters: VisitorFilters) -> Select[*tuple[Any, ...]]:
    """Those who were there last come first. Country and city match in any case."""
    statement = recent()
    if filters.address is not None:
        statement = statement.where(Visitor.ip_address == filters.address)
    if filters.is_active is not None:
        statement = statement.where(Visitor.is_active.is_(filters.is_active))
    if filters.since is not None:
        statement = statement.where(Visitor.last_visit >= filters.since)
    if filters.until is not None:
        statement = statement.where(Visitor.last_visit < filters.until)
    if filters.country is not None:
        statement = statement.where(func.lower(Visitor.country) == func.lower(filters.country))
    if filters.city is not None:
        statement = statement.where(func.lower(Visitor.city) == func.lower(filters.city))
    return statement


def one(visitor_id: int) -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).where(Visitor.id == visitor_id)


def recent() -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).order_by(*_LAST_FIRST)


def most_frequent() -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).order_by(Visitor.visit_count.desc(), *_LAST_FIRST)
