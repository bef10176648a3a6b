"""Guards: who may pass, one sentence each. Every handler has exactly one of them (a test holds it).

How credentials become a user is the accounts domain's business: `server.py` puts its authenticator into the state.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from litestar import Litestar
from litestar.connection import ASGIConnection, Request
from litestar.handlers import BaseRouteHandler

from app.errors import Forbidden, NotAuthenticated, WrongKey
from app.http.cron_key import ShownKey, shown_key
from app.http.idempotency import KeyedRequests, takes_key
from app.http.principal import Claim, Principal
from app.http.throttling import Throttle

Connection = ASGIConnection[Any, Any, Any, Any]
_PRINCIPAL = "relampago_principal"
_CLAIM = "relampago_claim"
# Paths of the flash-promotion contract, whose first scheme is Basic.
BASIC_FIRST = "basic_first"
# In a handler's `opt`: it opens transactions of its own, so that its caller is read without one.
APART = "apart"


# The header that leads past the maintenance mode.
BYPASS = "x-maintenance-bypass"


class Gate(Protocol):
    """Whether the shop is closed for maintenance, and who may enter then; `server.py` puts it into the state."""

    @property
    def closed(self) -> bool: ...

    def admit(self, path: str, bypass: str | None, *, is_admin: bool) -> None: ...


class Authenticator(Protocol):
    """Turns a request's Authorization header into a user; raises NotAuthenticated for one that is present and bad."""

    async def principal(self, connection: Connection) -> Principal | None: ...

    async def claim(self, connection: Connection) -> Claim | None: ...


def challenge(connection: Connection) -> dict[str, str]:
    """The header that a 401 carries: the scheme that the path's contract names first."""
    handler: Any = connection.scope.get("route_handler")
    basic = handler and handler.opt.get(BASIC_FIRST) and connection.app.state.settings.auth_basic_enabled
    return {"WWW-Authenticate": 'Basic realm="api"' if basic else 'Bearer realm="api"'}


async def door(connection: Connection, handler: BaseRouteHandler) -> None:
    """Anybody; a token that is sent is not looked at (login, health, docs, webhooks)."""
    if _gate(connection).closed:
        _enter(connection, await _identify_quietly(connection))
    await _throttle(connection).admit(connection, handler, None)


async def anyone(connection: Connection, handler: BaseRouteHandler) -> None:
    """Anybody; a token that is sent has to be good."""
    principal = await _identify(connection)
    _enter(connection, principal)
    await _throttle(connection).admit(connection, handler, principal.id if principal else None)


async def signed_in(connection: Connection, handler: BaseRouteHandler) -> None:
    """Any signed-in user."""
    principal = await _identify(connection)
    _enter(connection, principal)
    if principal is None:
        raise NotAuthenticated
    await _throttle(connection).admit(connection, handler, principal.id)


async def staff(connection: Connection, handler: BaseRouteHandler) -> None:
    """Staff and superusers."""
    principal = await _identify(connection)
    _enter(connection, principal)
    if principal is None:
        raise NotAuthenticated
    if not principal.is_admin:
        raise Forbidden
    await _throttle(connection).admit(connection, handler, principal.id)


async def claimed(connection: Connection, handler: BaseRouteHandler) -> None:
    """Any signed-in user, the token's version checked by the handler's own first statement (the hold)."""
    if _gate(connection).closed:
        _enter(connection, await _identify(connection))
    authenticator: Authenticator = connection.app.state.authenticator
    claim = await authenticator.claim(connection)
    if claim is None:
        raise NotAuthenticated
    connection.scope["state"][_CLAIM] = claim
    if takes_key(connection, handler) and await _identify(connection) is None:
        raise NotAuthenticated  # an answer that is replayed comes from no statement that would check the claim
    await _throttle(connection).admit(connection, handler, claim.user_id, proven=False)


async def cron(connection: Connection, handler: BaseRouteHandler) -> None:
    """Whoever shows the key of the cron routes; closed while no key is set."""
    if not (await _shown_key(connection, handler)).right:
        raise WrongKey


async def cron_in_production(connection: Connection, handler: BaseRouteHandler) -> None:
    """As `cron`; elsewhere than in production the key may be left out, but not be wrong."""
    shown = await _shown_key(connection, handler)
    if not shown.right and (shown.wrong or connection.app.state.settings.production):
        raise WrongKey


async def staff_or_cron(connection: Connection, handler: BaseRouteHandler) -> None:
    """Staff, superusers, and whoever shows the key of the cron routes."""
    shown = await shown_key(connection, connection.app.state.settings.cronjob_auth_key)
    if shown.wrong and not shown.right:
        await _throttle(connection).admit(connection, handler, None)
        raise WrongKey
    if not shown.right:
        await staff(connection, handler)


async def _shown_key(connection: Connection, handler: BaseRouteHandler) -> ShownKey:
    """What was shown. A call counts as anybody's unless the key is right, so that guessing runs into the limit."""
    await _throttle(connection).admit(connection, handler, None)
    shown = await shown_key(connection, connection.app.state.settings.cronjob_auth_key)
    if shown.right:
        await _throttle(connection).give_back(connection)
    return shown


class _Authorization:
    """A handler's guards, called with the handler itself."""

    def __init__(self, handler: BaseRouteHandler) -> None:
        self.handler = handler
        self.guards: Sequence[Any] = handler.resolve_guards()

    async def __call__(self, connection: Any) -> None:
        for guard in self.guards:
            await guard(connection, self.handler)
        if takes_key(connection, self.handler):
            await _take_key(connection, self.handler)


def authorize_without_copies(app: Litestar) -> None:
    """Litestar copies the handler for each guard of each request, a tenth of a small answer's cost. Ours only read."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if handler.resolve_guards():
                handler.authorize_connection = _Authorization(handler)


ACCESS = (door, anyone, signed_in, staff, claimed, cron, cron_in_production, staff_or_cron)
# No account is needed behind these.
WITHOUT_ACCOUNT = (door, cron, cron_in_production)


def access_of(handler: BaseRouteHandler) -> Any:
    """The one guard of a handler that says who may pass; others may stand beside it."""
    return next(guard for guard in handler.resolve_guards() if guard in ACCESS)


async def _identify(connection: Connection) -> Principal | None:
    authenticator: Authenticator = connection.app.state.authenticator
    principal = await authenticator.principal(connection)
    connection.scope["state"][_PRINCIPAL] = principal
    return principal


async def _identify_quietly(connection: Connection) -> Principal | None:
    """Whom a token that needs not be good belongs to."""
    try:
        return await _identify(connection)
    except NotAuthenticated:
        return None


def _gate(connection: Connection) -> Gate:
    gate: Gate = connection.app.state.maintenance
    return gate


def _enter(connection: Connection, principal: Principal | None) -> None:
    """Raises during maintenance, unless the route stays open or the caller may enter."""
    gate = _gate(connection)
    if gate.closed:
        is_admin = principal is not None and principal.is_admin
        gate.admit(connection.scope["path_template"], connection.headers.get(BYPASS), is_admin=is_admin)


async def _take_key(request: Request[Any, Any, Any], handler: BaseRouteHandler) -> None:
    """After the caller is known: a key is the caller's own."""
    keys: KeyedRequests = request.app.state.keyed_requests
    principal = provide_caller(request)
    await keys.begin(request, handler, principal.id if principal else None)


def _throttle(connection: Connection) -> Throttle:
    throttle: Throttle = connection.app.state.throttle
    return throttle


def provide_user(request: Connection) -> Principal:
    """The caller, behind `signed_in` or `staff`."""
    principal: Principal | None = request.scope["state"].get(_PRINCIPAL)
    if principal is None:
        raise NotAuthenticated
    return principal


def provide_caller(request: Connection) -> Principal | None:
    """The caller or None, behind `anyone`."""
    principal: Principal | None = request.scope["state"].get(_PRINCIPAL)
    return principal


def provide_claim(request: Connection) -> Claim:
    """The caller's verified claim, behind `claimed`."""
    claim: Claim = request.scope["state"][_CLAIM]
    return claim
