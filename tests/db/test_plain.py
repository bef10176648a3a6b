"""Statements as text: their rows are those of the statements themselves."""

import datetime as dt
from decimal import Decimal

import pytest
from sqlalchemy import ARRAY, BigInteger, Numeric, any_, bindparam, cast, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.prepared import plain

number = func.unnest(cast(literal([1, 2, 3]), ARRAY(BigInteger))).column_valued("n")
STATEMENT = (
    select(
        number.label("id"),
        cast("1.50", Numeric(10, 2)).label("price"),
        cast({"Color": ["Rojo", 1]}, JSONB).label("variants"),
        cast(None, JSONB).label("nothing"),
        cast([4, 5], ARRAY(BigInteger)).label("pools"),
        func.to_timestamp(86_400).label("at"),
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
        plain(select(literal(1).label("n"), literal(2).label("n")))
