"""The API's own description, built from the routes: paths as the contract writes them, access as the guards give it.

Litestar's generator is not used: it knows neither our body reader (PATCH, forms, files, points, bounded Decimals) nor
our guards, and it takes the final slash off every path.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
from litestar import Litestar, Response
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from app import VERSION
from app.http import guards
from app.http.openapi.hints import ALSO, MEDIA, QUERY
from app.http.openapi.responses import RESPONSES, error_statuses, plain_responses
from app.http.openapi.schemas import Schema, Schemas, is_input, is_required, takes_files
from app.http.pagination import Page

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
JSON, URLENCODED, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
# Not of the query: what Litestar hands to a handler by these names.
RESERVED = frozenset({"request", "data", "state", "headers", "cookies", "query", "body", "socket", "scope"})
PLURAL = re.compile(r"[^u]s$")
PAGE_QUERY: Mapping[str, Any] = {"page": int, "page_size": int}
BEARER: Schema = {"bearer": []}
BASIC: Schema = {"basic": []}
DESCRIPTION = (
    "A commerce backend with flash promotions. Get a token at `/api/auth/login/` or `/api/token/` and send it as "
    "`Authorization: Bearer ...`; HTTP Basic is taken too where it is enabled. Money is text with two decimals, times "
    "are UTC, lists come in pages of `{count, next, previous, results}`. Every answer bears an `X-Request-Id`."
)


Place = tuple[HTTPRoute, str, HTTPRouteHandler]


class Operation(msgspec.Struct, frozen=True):
    """A handler under the one path and method that the document shows."""

    handler: HTTPRouteHandler
    method: str
    path: str
    parameters: Mapping[str, Any]

    @property
    def body(self) -> Any:
        """The type of the request's body, or None."""
        field = self.handler.parsed_fn_signature.parameters.get("data")
        return field.annotation if field else None

    @property
    def answers(self) -> list[Any]:
        """The types that the answer's body may have; a `Response[Any]` beside them is a refusal that leaves a trace."""
        raw = self.handler.parsed_fn_signature.return_type.raw
        members = get_args(raw) if get_origin(raw) in (Union, UnionType) else (raw,)
        bodies = [(get_args(each) or (Any,))[0] if _is_response(each) else each for each in members]
        return [each for each in bodies if each is not Any] or [Any]

    @property
    def query(self) -> dict[str, tuple[Any, bool]]:
        """Name to (type, required)."""
        known = {*RESERVED, *self.parameters, *self.handler.resolve_dependencies()}
        fields = self.handler.parsed_fn_signature.parameters
        found = {name: (field.raw, field.is_required) for name, field in fields.items() if name not in known}
        read = dict(self.handler.opt.get(QUERY, {}))
        if any(_is_page(each) for each in self.answers):
            read |= PAGE_QUERY
        return found | {name: (kind, False) for name, kind in read.items() if name not in found}

    @property
    def types(self) -> list[Any]:
        """Every type that its description needs."""
        bodies = self.answers if self.body is None else [self.body, *self.answers]
        return [*bodies, *self.parameters.values(), *(kind for kind, _ in self.query.values())]


def _is_page(annotation: Any) -> bool:
    origin = get_origin(annotation) or annotation
    return isinstance(origin, type) and issubclass(origin, Page)


def _is_response(annotation: Any) -> bool:
    origin = get_origin(annotation) or annotation
    return isinstance(origin, type) and issubclass(origin, Response)


@lru_cache(maxsize=2)
def document_of(app: Litestar) -> Schema:
    """The OpenAPI 3.1 document of an application; built once."""
    operations = sorted(_operations(app), key=lambda each: (each.path, METHODS.index(each.method)))
    schemas = Schemas(annotation for each in operations for annotation in each.types)
    basic = bool(app.state.settings.auth_basic_enabled)
    paths: dict[str, Schema] = {}
    for each in operations:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, schemas, basic=basic)
    schemes = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Relámpago API",
            "version": VERSION,
            "description": DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted((schemas.components | plain_responses()).items())),
            "responses": RESPONSES,
            "securitySchemes": schemes | ({"basic": {"type": "http", "scheme": "basic"}} if basic else {}),
        },
    }


def _operations(app: Litestar) -> Iterator[Operation]:
    """Every documented handler once, whatever its aliases."""
    places: dict[str, list[Place]] = {}
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if method in METHODS and handler.resolve_include_in_schema():
                    places.setdefault(handler.handler_id, []).append((route, method, handler))
    for found in places.values():
        route, shown, handler = min(found, key=_precedence)
        kinds = {name: part.type for name, part in route.path_parameters.items()}
        path, parameters = contract_path(route.path_format, kinds)
        yield Operation(handler=handler, method=shown, path=path, parameters=parameters)


def _precedence(place: Place) -> tuple[bool, int, int]:
    """Of aliases, the path outside `/api` is the flash contract's; inside it the longer one is the contract's."""
    route, method, _ = place
    return route.path.startswith("/api"), METHODS.index(method), -len(route.path)


def contract_path(path: str, kinds: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A route's path as the contract writes it: with its final slash, and with `{id}` behind a plural.

    `/api/orders/{order_id}` is `/api/orders/{id}/`; `/api/payments/status/{order_id}` keeps the name.
    """
    parts, renamed = path.strip("/").split("/"), dict(kinds)
    for index, part in enumerate(parts):
        name = part.strip("{}")
        if part.startswith("{") and index and PLURAL.search(parts[index - 1]) and "id" not in renamed:
            renamed = {"id" if key == name else key: kind for key, kind in renamed.items()}
            parts[index] = "{id}"
    slash = "/" if parts[0] in ("api", "admin") else ""
    return "/" + "/".join(parts) + slash, renamed


def _operation(operation: Operation, schemas: Schemas, *, basic: bool) -> Schema:
    handler, name = operation.handler, str(operation.handler.operation_id)
    text = handler.description or (handler.fn.__doc__ or "").strip()
    entry: Schema = {
        "operationId": name,
        "tags": list(handler.resolve_tags() or [operation.path.strip("/").removeprefix("api/").split("/")[0]]),
        "summary": handler.summary or name.removeprefix("flash_").replace("_", " ").capitalize(),
        "security": _security(handler, basic=basic),
    }
    if text:
        entry["description"] = re.sub(r"\n +", "\n", text)
    if parameters := _parameters(operation, schemas):
        entry["parameters"] = parameters
    if operation.body is not None:
        entry["requestBody"] = _request_body(operation, schemas)
    entry["responses"] = _responses(operation, schemas)
    return entry


def _security(handler: HTTPRouteHandler, *, basic: bool) -> list[Schema]:
    """From the guard: none at a door, optional for anyone, else Bearer or Basic, the contract's first scheme first."""
    access = guards.access_of(handler)
    schemes = [BEARER, BASIC] if basic else [BEARER]
    if handler.opt.get(guards.BASIC_FIRST):
        schemes.reverse()
    if access in guards.WITHOUT_ACCOUNT:
        return []
    return [*schemes, {}] if access is guards.anyone else schemes


def _parameters(operation: Operation, schemas: Schemas) -> list[Schema]:
    path = [
        {"name": name, "in": "path", "required": True, "schema": schemas.of(kind)}
        for name, kind in operation.parameters.items()
    ]
    query = [
        {"name": name, "in": "query", "required": required, "schema": schemas.of(kind)}
        for name, (kind, required) in operation.query.items()
    ]
    return path + query


def _request_body(operation: Operation, schemas: Schemas) -> Schema:
    body = operation.body
    # The body of an action changes no object: what it needs, it needs in a PATCH too.
    partial = operation.method == "PATCH" and not getattr(body, "action", False)
    schema = schemas.patched(body) if partial and is_input(body) else schemas.of(body)
    kinds = (JSON, MULTIPART) if is_input(body) and takes_files(body) else (JSON, URLENCODED, MULTIPART)
    required = not partial and is_input(body) and is_required(body)
    return {"required": required, "content": {kind: {"schema": schema} for kind in kinds}}


def _responses(operation: Operation, schemas: Schemas) -> Schema:
    handler, status = operation.handler, operation.handler.status_code
    answer: Schema = {"description": "The answer." if status != 204 else "Done; no body."}
    if status != 204:
        media = getattr(handler.media_type, "value", handler.media_type) or JSON
        found = [schemas.of(each) for each in operation.answers]
        schema = found[0] if len(found) == 1 else {"anyOf": found}
        answer["content"] = {str(each): {"schema": schema} for each in (media, *handler.opt.get(MEDIA, ()))}
    answers = {str(each): answer for each in sorted({status, *handler.opt.get(ALSO, ())})}
    return answers | error_statuses(handler, operation.method, has_parameters=bool(operation.parameters))
