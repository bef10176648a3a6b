"""The API's own description (see docs at /api/schema/, /api/docs/, /api/redoc/)."""

from typing import Any

from litestar.openapi.config import OpenAPIConfig

DOCS_HANDLERS: list[Any] = []


def openapi_config() -> OpenAPIConfig | None:
    return None
