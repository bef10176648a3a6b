"""Routes that only tests have: one for each thing that the base promises to every route."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Request, Response, Router, delete, get, patch, post, put
from msgspec import UNSET, Meta, Struct, UnsetType, field
from sqlalchemy import ColumnClause, column, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Conflict
from app.http.body import Input
from app.http.fields import Count, Email, Id, Money, Name, Password, Percent, Quantity, Text
from app.http.forms import FormFile
from app.http.geo import GeoPoint
from app.http.guards import BASIC_FIRST, anyone, door, signed_in, staff
from app.http.pagination import Page, paginate
from app.http.principal import Principal

ROWS = 25


class Line(Input):
    product: Id
    quantity: Quantity = 1


class Everything(Input):
    """A field of every kind."""

    name: Name
    price: Money
    email: Email | None = None
    secret: Password | UnsetType = UNSET
    percent: Percent = Decimal(0)
    count: Count = 0
    owner: Id | None = None
    note: Text = ""
    kind: Literal["new", "old"] = "new"
    flag: bool = False
    token: UUID | None = None
    at: dt.datetime | None = None
    day: dt.date | None = None
    hour: dt.time | None = None
    place: GeoPoint | None = None
    tags: Annotated[list[Name], Meta(max_length=3)] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    data: Any = None


class Picture(Input):
    title: Name
    image: FormFile | None = None


class Shown(Struct):
    """What the reader made of a body: names to values as text."""

    given: dict[str, str]


class Number(Struct):
    number: int


def _shown(data: Input) -> Shown:
    return Shown({name: repr(value) for name, value in data.given().items()})


@post("/everything", guards=[door], operation_id="probe_create", status_code=201)
async def create(data: Everything) -> Shown:
    return _shown(data)


@put("/everything/{id:int}", guards=[door], operation_id="probe_update")
async def replace(data: Everything, id: int) -> Shown:  # noqa: A002 - the path's name
    return _shown(data)


@patch("/everything/{id:int}", guards=[door], operation_id="probe_change")
async def change(data: Everything, id: int) -> Shown:  # noqa: A002
    return _shown(data)


@post("/pictures", guards=[door], operation_id="probe_picture", status_code=200)
async def picture(data: Picture) -> dict[str, Any]:
    return {"title": data.title, "size": len(data.image.content) if data.image else None}


@get("/crash", guards=[door], operation_id="probe_crash")
async def crash() -> None:
    raise RuntimeError("the secret of the house: eyJhbGciOiJIUzI1NiJ9.abc.def")


@get("/mine", guards=[signed_in], operation_id="probe_mine")
async def mine(user: Principal) -> dict[str, int]:
    return {"id": user.id}


@get("/mine-basic", guards=[signed_in], opt={BASIC_FIRST: True}, operation_id="probe_mine_basic")
async def mine_basic(user: Principal) -> dict[str, int]:
    return {"id": user.id}


@get("/staff", guards=[staff], operation_id="probe_staff")
async def for_staff(user: Principal) -> dict[str, int]:
    return {"id": user.id}


@get("/anyone", guards=[anyone], operation_id="probe_anyone")
async def for_anyone(caller: Principal | None) -> dict[str, int | None]:
    return {"id": caller.id if caller else None}


@get("/numbers", guards=[door], operation_id="probe_numbers")
async def numbers(request: Request[Any, Any, Any], session: AsyncSession) -> Page[Number]:
    number: ColumnClause[int] = column("number")
    rows = int(request.query_params.get("rows", ROWS))
    statement = select(number).select_from(func.generate_series(1, rows).alias("number")).order_by(number)
    return await paginate(request, session, statement, size=10, render=lambda row: Number(row.number))


@post("/rows", guards=[door], operation_id="probe_write")
async def write(session: AsyncSession) -> dict[str, bool]:
    await session.execute(text("INSERT INTO probe (number) VALUES (1)"))
    return {"ok": True}


@post("/rows/raised", guards=[door], operation_id="probe_raised")
async def raised(session: AsyncSession) -> None:
    await session.execute(text("INSERT INTO probe (number) VALUES (2)"))
    raise Conflict("lost", code="lost")


@post("/rows/crashed", guards=[door], operation_id="probe_crashed")
async def crashed(session: AsyncSession) -> None:
    await session.execute(text("INSERT INTO probe (number) VALUES (3)"))
    raise RuntimeError


@post("/rows/returned", guards=[door], operation_id="probe_returned")
async def returned(session: AsyncSession) -> Response[dict[str, str]]:
    """A refusal that leaves a trace."""
    await session.execute(text("INSERT INTO probe (number) VALUES (4)"))
    return Response({"detail": "no"}, status_code=401)


@post("/rows/late", guards=[door], operation_id="probe_late")
async def late(session: AsyncSession) -> dict[str, bool]:
    """Breaks a constraint that the database checks at commit."""
    await session.execute(text("INSERT INTO probe (number) VALUES (5), (5)"))
    return {"ok": True}


@post("/rows/cut", guards=[door], operation_id="probe_cut")
async def cut(session: AsyncSession) -> dict[str, bool]:
    """Loses its connection before the commit."""
    await session.execute(text("INSERT INTO probe (number) VALUES (6)"))
    connection = await (await session.connection()).get_raw_connection()
    driver: Any = connection.driver_connection
    driver.terminate()
    return {"ok": True}


@delete("/rows/{id:int}", guards=[door], operation_id="probe_delete")
async def remove(session: AsyncSession, id: int) -> None:  # noqa: A002
    await session.execute(text("DELETE FROM probe WHERE number = :number"), {"number": id})


PROBES = Router(
    "/api/probe",
    route_handlers=[
        create, replace, change, picture, crash, mine, mine_basic, for_staff, for_anyone, numbers, write, raised,
        crashed, returned, late, cut, remove,
    ],
)  # fmt: skip
