"""Statistics on the wire: numbers are JSON numbers."""

import datetime as dt

import msgspec

from app.domain.analytics.rules import PeriodName


class SalesPoint(msgspec.Struct):
    """A step of the timeline: what its paid orders brought, and how many orders there were."""

    date: dt.date
    value: float
    orders: int


class AnalyticsChanges(msgspec.Struct):
    """Per cent beside the period before."""

    ventas: float
    facturacion: float


class AnalyticsCustomers(msgspec.Struct):
    new: int
    total: int


class AnalyticsStats(msgspec.Struct):
    """A period's sales. `facturacion` is what its paid orders brought, without what was given back."""

    ventas: int
    ventas_pagadas: int
    facturacion: float
    ticketPromedio: float  # noqa: N815 - the contract's name
    visitas: int
    changes: AnalyticsChanges
    customers: AnalyticsCustomers
    timeline: list[SalesPoint]


class Analytics(msgspec.Struct):
    stats: AnalyticsStats
    period: PeriodName
    start_date: dt.date
    end_date: dt.date


class UserPoint(msgspec.Struct):
    """How many customers a step of the timeline brought."""

    date: dt.date
    count: int


class UserStats(msgspec.Struct):
    period_customers: int
    total_customers: int
    timeline: list[UserPoint]


class UserStatistics(msgspec.Struct):
    stats: UserStats
