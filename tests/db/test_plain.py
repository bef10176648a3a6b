"""Statements as text: their rows are those of the statements themselves."""

import datetime as dt
from decimal import Decimal

import pytest
from sqlalchemy import ARRAY, BigInteger, DateTime, Numeric, any_, bindparam, func, literal, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.prepared import plain

number = func.unnest(literal_column("'{1,2,3}'::bigint[]")).column_valued("n")
STATEMENT = (
    select(
        number.label("id"),
        literal_column("1.50", Numeric(10, 2)).label("price"),
        literal_column("""'{"Color": ["Rojo", 1]}'::jsonb""", JSONB).label("variants"),
        literal_column("NULL::jsonb", JSONB).label("nothing"),
        literal_column("'{4,5}'::bigint[]", ARRAY(BigInteger)).label("pools"),
        literal_column("to_timestamp(86400)", DateTime(timezone=True)).label("at"),
    )
    .where(number == any_(bindparam("ids", type_=ARRAY(BigInteger))))
    .order_by(number)
)


async def test_the_same_rows(db: AsyncSession) -> None:
    rows = (await db.execute(plain(STATEMENT), {"ids": [3, 1, 9]})).all()
    assert rows == (await db.execute(STATEMENT, {"ids": [3, 1, 9]})).all()
    at = dt.datetime(1970, 1, 2, tzinfo=dt.UTC)
    assert [tuple(row) for row in rows] == [
        (n, Decimal("1.50"), {"Color": ["Rojo", 1]}, None, [4, 5], at) for n in (1, 3)
    ]
    assert rows[0].variants == {"Color": ["Rojo", 1]}


def test_names_have_to_tell_columns_apart() -> None:
    with pytest.raises(ValueError, match="columns of one name"):
        plain(select(literal_column("1").label("n"), literal_column("2").label("n")))


def test_values_are_arguments() -> None:
    with pytest.raises(ValueError, match="values stand"):
        plain(select(literal(1).label("n")))
