"""The errors that operations answer, as components of the document."""

from typing import Any

from litestar.handlers import HTTPRouteHandler

from app.http import guards
from app.http.openapi.hints import ERRORS

Schema = dict[str, Any]
FIELD_ERRORS: Schema = {
    "type": "object",
    "description": "Field names to messages, nested like the input; `non_field_errors` is about the whole object.",
    "additionalProperties": True,
    "examples": [{"name": ["This field is required."]}],
}
FAILURE: Schema = {
    "type": "object",
    "description": "A message under `detail` (the framework, flash promotions) or `error` (the shop's rules).",
    "properties": {"detail": {"type": "string"}, "error": {"type": "string"}, "code": {"type": "string"}},
    "additionalProperties": True,
}
_CHALLENGE: Schema = {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "The scheme to use."}}
_WAIT: Schema = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}


def plain_responses() -> dict[str, Schema]:
    """The schemas that the responses refer to."""
    return {"FieldErrors": FIELD_ERRORS, "Failure": FAILURE}


def _response(description: str, *names: str, headers: Schema | None = None) -> Schema:
    references = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    schema = references[0] if len(references) == 1 else {"anyOf": references}
    response: Schema = {"description": description, "content": {"application/json": {"schema": schema}}}
    return response | ({"headers": headers} if headers else {})


RESPONSES: dict[str, Schema] = {
    "BadRequest": _response("The input is wrong, or a rule says no.", "FieldErrors", "Failure"),
    "Unauthorized": _response("No credentials, or bad ones.", "Failure", headers=_CHALLENGE),
    "Forbidden": _response("Not allowed to this caller.", "Failure"),
    "NotFound": _response("There is no such object, or it is somebody else's.", "Failure"),
    "Conflict": _response("The request lost a competition; `code` says which.", "Failure"),
    "PreconditionFailed": _response("The object has changed since it was read.", "Failure"),
    "Unavailable": _response("Try again later.", "Failure", headers=_WAIT),
    "Other": _response("Any other error: 405, 413, 415, 429, 500.", "Failure"),
}
NAMES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    412: "PreconditionFailed",
    500: "Other",
    503: "Unavailable",
}


def error_statuses(handler: HTTPRouteHandler, method: str, *, has_parameters: bool) -> dict[str, Schema]:
    """What may go wrong: by the guard, the path, the body, and what the handler says itself (`ERRORS`)."""
    access = guards.access_of(handler)
    statuses: set[int] = set(handler.opt.get(ERRORS, ()))
    if access is not guards.door:
        statuses.add(401)
    if access in {guards.staff, guards.staff_or_cron}:
        statuses.add(403)
    if has_parameters:
        statuses.add(404)
    if "data" in handler.parsed_fn_signature.parameters:
        statuses.add(400)
    if method != "GET" and access is not guards.door:
        statuses.add(409)
    known = {str(status): {"$ref": f"#/components/responses/{NAMES[status]}"} for status in sorted(statuses)}
    return known | {"default": {"$ref": "#/components/responses/Other"}}
