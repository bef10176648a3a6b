"""From a request's bytes to its Struct: Litestar's door to the body reader.

A class that derives from `Input` and stands as a handler's `data` is read here, from JSON, a form or multipart alike.
"""

import re
from typing import Any

import msgspec
from litestar.connection import Request
from litestar.dto import AbstractDTO
from litestar.plugins import SerializationPlugin
from litestar.typing import FieldDefinition

from app.errors import Invalid, UnsupportedMediaType
from app.http.body import Input, build
from app.http.fields import EXACT_JSON
from app.http.forms import read_form

JSON_MEDIA = re.compile(r"application/(?:[\w.+-]+\+)?json", re.IGNORECASE)
FORM_MEDIA = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
# What stands for a body that is empty: Litestar reads no `data` at all from one without bytes.
NOTHING = b" "


def decode_json(body: bytes) -> Any:
    """JSON text as plain Python values, numbers exact.

    Raises Invalid as DRF words it, also for nesting that exhausts the decoder.
    """
    try:
        return EXACT_JSON.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Invalid(f"JSON parse error - {reason}") from error


def decode_body(content_type: str, body: bytes) -> Any:
    """Plain values from a body; an empty one is an empty object. Raises Invalid, TooLarge, UnsupportedMediaType."""
    if body == NOTHING:
        return {}
    media = content_type.partition(";")[0].strip().lower()
    if JSON_MEDIA.fullmatch(media):
        return decode_json(body)
    if media in FORM_MEDIA:
        return read_form(content_type, body)
    shown = "".join(char for char in content_type[:80] if char.isprintable())
    raise UnsupportedMediaType(f'Unsupported media type "{shown}" in request.')


class BodyDTO(AbstractDTO[Any]):
    """Litestar's door to `build`; it replaces the framework's own decoding of `data`."""

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None
    ) -> None:
        """Nothing to prepare: `plan_of` compiles on first use."""

    @classmethod
    def create_openapi_schema(
        cls,
        field_definition: FieldDefinition,
        handler_id: str,  # noqa: ARG003 - Litestar calls it by name
        schema_creator: Any,
    ) -> Any:
        return schema_creator.for_field_definition(field_definition)

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Any:  # noqa: ARG003 - likewise
        return iter(())

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:  # noqa: ARG003 - likewise
        return False

    def decode_bytes(self, value: bytes) -> Any:
        connection = self.asgi_connection
        raw = decode_body(connection.headers.get("content-type", ""), value)
        return build(self.model_type, raw, str(connection.scope.get("method", "POST")))


class InputPlugin(SerializationPlugin):
    """Sends every handler's `data: <Input subclass>` through BodyDTO."""

    def supports_type(self, field_definition: FieldDefinition) -> bool:
        return isinstance(field_definition.annotation, type) and issubclass(field_definition.annotation, Input)

    def create_dto_for_type(self, field_definition: FieldDefinition) -> type[AbstractDTO[Any]]:
        return BodyDTO[field_definition.annotation]  # type: ignore[misc, no-any-return]


class ApiRequest(Request[Any, Any, Any]):
    """A request whose empty body reads as an empty object, whatever its type, as DRF parses it."""

    async def body(self) -> bytes:
        return await super().body() or NOTHING
