"""Carts of visitors: whoever knows the anonymous id has the cart."""

from typing import Any
from uuid import UUID, uuid4

from litestar import Controller, Request, Response, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.carts.rules import anonymous_id_of
from app.domain.carts.schemas import CartInput, GeneratedId, PublicCart, UpsertAnswer
from app.domain.carts.service.reading import CartReader
from app.domain.carts.service.visitors import VisitorCartService
from app.errors import AppError, Invalid, NotFound, Refused
from app.http.guards import anyone

UNKNOWN_CART = "No existe un carrito con ese identificador"


def in_the_carts_form(_request: Request[Any, Any, Any], error: AppError) -> Response[Any]:
    """An exception handler: `{success: false, error, status: "error"}`, of wrong fields the first messages."""
    fields = error.fields if isinstance(error, Invalid) else None
    said = error.message if fields is None else "; ".join(f"{name}: {_first(told)}" for name, told in fields.items())
    body = {"success": False, "error": said, "status": "error"}
    if error.own_code is not None:
        body["code"] = error.own_code
    return Response(body, status_code=error.status, media_type="application/json")


def _first(told: Any) -> str:
    """The first message of a field, however deep its errors are."""
    while not isinstance(told, str):
        told = next(iter(told.values() if isinstance(told, dict) else told))
    return told


class VisitorCartController(Controller):
    """`/api/orders/abandoned-carts/public/`."""

    path = "/api/orders/abandoned-carts/public"
    tags = ("carts",)
    exception_handlers = {  # noqa: RUF012 - Litestar reads it from the class
        Invalid: in_the_carts_form,
        Refused: in_the_carts_form,
        NotFound: in_the_carts_form,
    }

    @post("/cart/", guards=[anyone], operation_id="carts_public_upsert", status_code=200)
    async def store(self, session: NamedDependency[AsyncSession], state: State, data: CartInput) -> UpsertAnswer:
        """Creates the cart or replaces its lines; our prices count, whatever the client sends."""
        cart_id = await VisitorCartService(session, state.settings).store(data)
        return UpsertAnswer(anonymous_id=data.anonymous_id, cart_id=cart_id)

    @get("/cart/{anonymous_id:str}/", guards=[anyone], operation_id="carts_public_retrieve")
    async def read(self, session: NamedDependency[AsyncSession], state: State, anonymous_id: str) -> PublicCart:
        """At today's prices; e-mail and telephone are masked, of a user's cart left out."""
        known: UUID | None = anonymous_id_of(anonymous_id)
        if known is None:
            raise NotFound(UNKNOWN_CART)
        try:
            return PublicCart(await CartReader(session, state.settings).public(known))
        except NotFound:
            raise NotFound(UNKNOWN_CART) from None

    @post("/generate-id/", guards=[anyone], operation_id="carts_public_generate_id", status_code=200)
    async def generate(self) -> GeneratedId:
        return GeneratedId(uuid4())
