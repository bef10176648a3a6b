"""`/metrics`, for Prometheus on this machine, or with the token."""

from litestar import Controller, Response, get
from litestar.datastructures import State
from prometheus_client import CONTENT_TYPE_LATEST

from app.domain.site.service.figures import FigureService, listeners
from app.errors import NotAuthenticated
from app.http.addresses import client_address
from app.http.decoding import ApiRequest
from app.http.guards import door
from app.http.throttling import EXEMPT, THROTTLE
from app.metrics import exposition, may_read


class MetricsController(Controller):
    """What is counted, timed and read, in Prometheus' text format."""

    path = "/"
    tags = ("health",)
    opt = {THROTTLE: EXEMPT}  # noqa: RUF012 - Litestar reads it from the class
    include_in_schema = False

    @get("/metrics", guards=[door])
    async def metrics(self, request: ApiRequest, state: State) -> Response[bytes]:
        if not may_read(client_address(request), request.headers, state.settings.metrics_token):
            raise NotAuthenticated
        here = listeners(state.live_board.places.taken)
        body = exposition([*await FigureService(state.engine).gauges(), here])
        return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})
