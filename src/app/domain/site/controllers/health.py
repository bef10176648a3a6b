"""Health: for load balancers, for people, for the launcher."""

import datetime as dt
from typing import Any, Literal

import msgspec
from litestar import Controller, Response, get
from litestar.datastructures import State

from app import VERSION
from app.domain.site.service.health import HealthService
from app.http.guards import door
from app.http.leaving import Leaving
from app.http.throttling import EXEMPT, THROTTLE


class Health(msgspec.Struct):
    """The contract's health answer."""

    status: Literal["healthy", "unhealthy"]
    timestamp: dt.datetime
    version: str = VERSION


class HealthController(Controller):
    """`/api/health/`: public, 503 when the database does not answer."""

    path = "/api/health"
    tags = ("health",)
    opt = {THROTTLE: EXEMPT}  # noqa: RUF012 - Litestar reads it from the class

    @get("/", guards=[door], operation_id="health")
    async def health(self, state: State) -> Response[Health]:
        well = await HealthService(state.engine).database_answers()
        body = Health("healthy" if well else "unhealthy", dt.datetime.now(dt.UTC))
        return Response(body, status_code=200 if well else 503, headers={} if well else {"Retry-After": "1"})


class ProbeController(Controller):
    """`/livez`: the process answers. `/readyz`: it can serve (database, migrations, queue), and will go on to."""

    path = "/"
    tags = ("health",)
    opt = {THROTTLE: EXEMPT}  # noqa: RUF012 - likewise
    include_in_schema = False

    @get("/livez", guards=[door])
    async def livez(self) -> dict[str, str]:
        return {"status": "ok"}

    @get("/readyz", guards=[door])
    async def readyz(self, state: State) -> Response[dict[str, Any]]:
        leaving: Leaving = state.leaving
        checks = {"process": "leaving"} if leaving.begun else await HealthService(state.engine).checks()
        ready = all(value == "ok" for value in checks.values())
        body = {"status": "ok" if ready else "unavailable", "checks": checks}
        return Response(body, status_code=200 if ready else 503, headers={} if ready else {"Retry-After": "1"})
