"""The document as JSON and YAML, and the pages that show it: Swagger UI and Redoc from our own files."""

from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml
from litestar import Controller, Litestar, Request, Response, get
from yaml import CSafeDumper

from app.errors import NotFound
from app.http.guards import door
from app.http.openapi.document import document_of
from app.http.openapi.hints import MEDIA, QUERY
from app.http.throttling import EXEMPT, THROTTLE

ASSETS = Path(__file__).resolve().parents[1] / "assets"
# What the pages may load, by the name in their address.
FILES: dict[str, tuple[str, str]] = {
    "docs.css": ("docs.css", "text/css"),
    "docs.js": ("docs.js", "text/javascript"),
    "redoc.js": ("redoc.js", "text/javascript"),
    "relampago.svg": ("relampago.svg", "image/svg+xml"),
    "swagger-ui.css": ("swagger-ui/swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": ("swagger-ui/swagger-ui-bundle.js", "text/javascript"),
    "redoc.standalone.js": ("redoc/redoc.standalone.js", "text/javascript"),
}
# Nothing from elsewhere and no inline script. Redoc writes its styles into an empty <style> (the first hash is that of
# nothing; the second is of a scroll bar's) and searches in a worker that it makes itself; both draw icons from data.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' "
    "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='; worker-src blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
JSON_TYPES = {
    "application/json": "application/json",
    "application/vnd.oai.openapi+json": "application/vnd.oai.openapi+json",
}
YAML_TYPES = {
    "application/yaml": "application/yaml",
    "application/x-yaml": "application/yaml",
    "text/yaml": "application/yaml",
    "application/vnd.oai.openapi": "application/vnd.oai.openapi",
}
OTHER_TYPES = tuple({*JSON_TYPES.values(), *YAML_TYPES.values()} - {"application/json"})
FORMATS = {"json": "application/json", "yaml": "application/yaml"}


class DocsController(Controller):
    """`/api/schema/`, `/api/docs/`, `/api/redoc/`: public."""

    path = "/api"
    tags = ("docs",)
    opt = {THROTTLE: EXEMPT}  # noqa: RUF012 - Litestar reads it from the class

    @get(
        "/schema",
        guards=[door],
        operation_id="flash_schema",
        opt={QUERY: {"format": Literal["json", "yaml"]}, MEDIA: OTHER_TYPES},
    )
    async def schema(self, request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
        """This document: JSON, or YAML with `?format=yaml` or by the Accept header."""
        media = _media(request)
        content: Any = rendered(request.app, as_yaml=media not in JSON_TYPES.values())
        return Response(content, media_type=media, headers={"Vary": "Accept"})

    @get("/docs", guards=[door], operation_id="flash_docs", media_type="text/html")
    async def swagger(self) -> Response[str]:
        """The document in Swagger UI."""
        return _page("docs.html")

    @get("/redoc", guards=[door], operation_id="redoc", include_in_schema=False, media_type="text/html")
    async def redoc(self) -> Response[str]:
        """The document in Redoc."""
        return _page("redoc.html")

    @get("/docs/assets/{name:str}", guards=[door], operation_id="docs_asset", include_in_schema=False)
    async def asset(self, name: str) -> Response[bytes]:
        if name not in FILES:
            raise NotFound
        path, media = FILES[name]
        return Response(read_asset(path), media_type=media, headers={"Cache-Control": "public, max-age=86400"})


DOCS_HANDLERS = (DocsController,)


def _page(name: str) -> Response[str]:
    headers = {"Content-Security-Policy": PAGE_POLICY}
    return Response(read_asset(name).decode(), media_type="text/html", headers=headers)


@cache
def read_asset(path: str) -> bytes:
    """A file of the pages, read once. `path` is one of ours, never a client's."""
    return (ASSETS / path).read_bytes()


def _media(request: Request[Any, Any, Any]) -> str:
    """The media type to answer with. Raises NotFound for an unknown `format`, as DRF does."""
    if asked := request.query_params.get("format"):
        if asked not in FORMATS:
            raise NotFound
        return FORMATS[asked]
    for accepted in request.headers.get("accept", "").split(","):
        name = accepted.partition(";")[0].strip().lower()
        if name in JSON_TYPES or name in YAML_TYPES:
            return (JSON_TYPES | YAML_TYPES)[name]
    return "application/json"


@lru_cache(maxsize=4)
def rendered(app: Litestar, *, as_yaml: bool) -> bytes:
    """The document's bytes; made once."""
    document = document_of(app)
    if as_yaml:
        return yaml.dump(document, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True).encode()
    return msgspec.json.encode(document)


class _PlainDumper(CSafeDumper):
    """Repeats what occurs twice instead of referring to it: anchors confuse some readers."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - yaml's signature
        return True
