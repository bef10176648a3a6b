"""The ceiling: our application with one more operation, which does all that a hold does but ask the database.

Same edge, middleware, guard, body and answer, so the distance between the two is the cost of the claim alone.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from litestar import Controller, Response, post

from app.domain.promos.schemas import Hold, ReserveInput
from app.http.decoding import ApiRequest
from app.http.guards import BASIC_FIRST, authorize_without_copies, claimed
from app.http.principal import Claim
from app.http.ready import Answer
from app.server import Relampago
from app.server import create_app as create_real_app

PATH = "/bench/reserve"


class CeilingController(Controller):
    path = "/"
    opt = {BASIC_FIRST: True}  # noqa: RUF012 - Litestar's attribute

    @post(PATH, guards=[claimed], operation_id="bench_reserve")
    async def reserve(self, request: ApiRequest, claim: Claim, data: ReserveInput) -> Response[Hold]:
        _desk = request.app.state.hold_desk  # a hold looks it up too
        now = datetime.now(UTC)
        hold = Hold(
            id=1,
            promo=data.promo_id,
            store_product=data.promo_id,
            user=claim.user_id,
            status="held",
            token=uuid4(),
            quantity=data.quantity,
            unit_price=Decimal("80.80"),
            expires_at=now + timedelta(seconds=60),
            server_time=now,
        )
        return Answer(hold, status_code=201)


def create_app() -> Relampago:
    app = create_real_app()
    app.register(CeilingController)
    authorize_without_copies(app)
    return app
