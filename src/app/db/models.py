"""What every table has in common: naming, identity keys, times, bounded types."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any

from geoalchemy2 import Geography
from sqlalchemy import BigInteger, DateTime, Identity, MetaData, Numeric, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

PriceColumn = Annotated[Decimal, mapped_column(Numeric(10, 2))]
PercentColumn = Annotated[Decimal, mapped_column(Numeric(5, 2))]
Instant = Annotated[dt.datetime, mapped_column(DateTime(timezone=True))]
CreatedAt = Annotated[dt.datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]
UpdatedAt = Annotated[
    dt.datetime, mapped_column(DateTime(timezone=True), server_default=func.now(), onupdate=func.now())
]


class Base(DeclarativeBase):
    """The registry of all tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        int: BigInteger,
        dt.datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[dict[str, Any]]: JSONB,
        Any: JSONB,
    }


class Identified:
    """A bigint identity key."""

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=False), primary_key=True, sort_order=-10)


def point_column() -> Geography:
    """A geography point; its GiST index is written out beside the column, so that its name and order are ours."""
    return Geography("POINT", srid=4326, spatial_index=False)
