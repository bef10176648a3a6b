"""Every place of the API that a client can write into, read from the application's own document."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from app.http.openapi.pages import rendered
from app.server import create_app
from app.settings import Settings

Document = dict[str, Any]
FORMS = {"application/x-www-form-urlencoded", "multipart/form-data"}
# Headers that the application reads, or that something on the way might; into every operation.
HEADERS = (
    "Authorization", "Idempotency-Key", "If-Match", "If-None-Match", "X-Request-Id", "X-Forwarded-For", "User-Agent",
    "X-Forwarded-Proto", "X-Forwarded-Host", "Accept", "Accept-Language", "Accept-Encoding", "Content-Type", "Cookie",
    "Origin", "Referer", "Range", "X-Maintenance-Bypass", "X-HTTP-Method-Override", "X-Signature", "traceparent",
    "If-Modified-Since", "Content-Encoding", "Access-Control-Request-Method",
)  # fmt: skip


class Door(NamedTuple):
    """An operation of the document: where it is, what its body is."""

    id: str
    method: str
    path: str
    tag: str
    media: tuple[str, ...]
    body: Document


class Place(NamedTuple):
    """`where` is path, query, header or body; a place within a body's list or object is named by its steps."""

    door: Door
    where: str
    steps: tuple[str | int, ...]

    @property
    def name(self) -> str:
        return ".".join(map(str, self.steps))


@cache
def document() -> Document:
    """The document of the application as it is wired; nothing connects."""
    url = "postgresql://nobody@127.0.0.1:1/none"
    app = create_app(Settings(database_url=url, database_admin_url=url, secret_key="s" * 32, log_level="critical"))
    found: Document = json.loads(rendered(app, as_yaml=False))
    return found


def resolved(schema: Document) -> Document:
    """A schema without its references at the top; of alternatives the first that is not null."""
    while True:
        if "$ref" in schema:
            schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        elif "anyOf" in schema:
            schema = next(each for each in schema["anyOf"] if each.get("type") != "null")
        else:
            return schema


@cache
def doors() -> tuple[Door, ...]:
    return tuple(
        Door(entry["operationId"], method.upper(), path, entry["tags"][0], *_body(entry))
        for path, methods in document()["paths"].items()
        for method, entry in methods.items()
    )


def _body(entry: Document) -> tuple[tuple[str, ...], Document]:
    content = entry.get("requestBody", {}).get("content", {})
    schema = resolved(next(iter(content.values()))["schema"]) if content else {}
    return tuple(content), schema


def places(door: Door) -> Iterator[Place]:
    """Path, query and body; a body's nested fields once each, at the first item of their list."""
    entry = document()["paths"][door.path][door.method.lower()]
    for parameter in entry.get("parameters", ()):
        yield Place(door, parameter["in"], (parameter["name"],))
    yield from (Place(door, "body", steps) for steps in _fields(door.body))


def _fields(schema: Document, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    for name, field in schema.get("properties", {}).items():
        inner = resolved(field)
        yield (*steps, name)
        if inner.get("type") == "object":
            yield from _fields(inner, (*steps, name))
        elif inner.get("type") == "array":
            item = resolved(inner.get("items", {}))
            yield (*steps, name, 0)
            yield from _fields(item, (*steps, name, 0))


_TEXTS = {
    "email": "ana@example.com", "uuid": "6f1c2b34-0000-4000-8000-000000000000", "decimal": "12.50",
    "date-time": "2026-01-02T03:04:05Z", "date": "2026-01-02", "time": "10:30:00", "password": "una-clave-larga-9",
    "uri": "https://example.com/a", "binary": "x", "ipv4": "203.0.113.9",
}  # fmt: skip


def example(schema: Document) -> Any:
    """A value that a schema allows, and that the application is likely to take."""
    schema = resolved(schema)
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    match schema.get("type"):
        case "object":
            return {name: example(field) for name, field in schema.get("properties", {}).items()}
        case "array":
            return [example(schema.get("items", {}))]
        case "integer":
            return max(1, schema.get("minimum", 1))
        case "number":
            return 1.5
        case "boolean":
            return True
        case _:
            text = _TEXTS.get(schema.get("format", ""), "texto")
            return text + "x" * max(0, schema.get("minLength", 0) - len(text))
