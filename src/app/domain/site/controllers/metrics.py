"""`/metrics`, for Prometheus on this machine, or with the token."""

import ipaddress
import re
from hmac import compare_digest

from litestar import Controller, Response, get
from litestar.datastructures import State
from prometheus_client import CONTENT_TYPE_LATEST

from app.domain.site.service.figures import FigureService, listeners
from app.errors import NotAuthenticated
from app.http.addresses import client_address
from app.http.decoding import ApiRequest
from app.http.guards import door
from app.http.throttling import EXEMPT, THROTTLE
from app.metrics import exposition

_FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip", "via")


class MetricsController(Controller):
    """What is counted, timed and read, in Prometheus' text format."""

    path = "/"
    tags = ("health",)
    opt = {THROTTLE: EXEMPT}  # noqa: RUF012 - Litestar reads it from the class
    include_in_schema = False

    @get("/metrics", guards=[door])
    async def metrics(self, request: ApiRequest, state: State) -> Response[bytes]:
        if not _is_of_this_machine(request) and not _bears(request, state.settings.metrics_token):
            raise NotAuthenticated
        here = listeners(state.live_board.places.taken)
        body = exposition([*await FigureService(state.engine).gauges(), here])
        return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _is_of_this_machine(request: ApiRequest) -> bool:
    """Whether the caller sits here. Somebody's proxy that sits here says so in a header, trusted or not."""
    address = client_address(request)
    if address is None or not ipaddress.ip_address(address).is_loopback:
        return False
    return not any(name in request.headers for name in _FORWARDED)


def _bears(request: ApiRequest, token: str) -> bool:
    found = re.fullmatch(r"(?i)bearer +(\S+)", request.headers.get("authorization", ""))
    return bool(token and found) and compare_digest((found[1] if found else "").encode(), token.encode())
