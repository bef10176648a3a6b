"""From a request's body to a Struct: every wrong field is named at once, in DRF's words.

A class that derives from `Input` and stands as a handler's `data` is read here, from JSON, a form or multipart alike. The plan for
a class is compiled once. On PATCH nothing is required and absent fields stay UNSET; on PUT absent optional fields stay UNSET too, so
`given()` tells what the client sent.
"""

import re
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from litestar.connection import Request
from litestar.dto import AbstractDTO
from litestar.plugins import SerializationPlugin
from litestar.typing import FieldDefinition
from msgspec import UNSET, Meta, UnsetType

from app.errors import Invalid, UnsupportedMediaType
from app.http.fields import CONVERTERS, NULL, REQUIRED, Converter, FieldError
from app.http.forms import read_form

JSON_MEDIA = re.compile(r"application/(?:[\w.+-]+\+)?json", re.IGNORECASE)
FORM_MEDIA = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


class Input(msgspec.Struct, kw_only=True):
    """A request's body. Unknown and read-only fields are ignored."""

    def given(self) -> dict[str, Any]:
        """The fields that the client sent (or that have a default on POST), by name."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not UNSET}


InputT = TypeVar("InputT", bound=Input)


class FieldPlan(msgspec.Struct, frozen=True):
    """How one field is read."""

    name: str
    wire: str
    convert: Converter
    nullable: bool
    required: bool
    default: Any


@cache
def plan_of(model: type[Input]) -> tuple[FieldPlan, ...]:
    hints = typing.get_type_hints(model, include_extras=True)
    return tuple(
        FieldPlan(
            name=field.name,
            wire=field.encode_name,
            convert=_bind(hints[field.name]),
            nullable=type(None) in _union_members(hints[field.name]),
            required=field.required,
            default=_default(field),
        )
        for field in msgspec.structs.fields(model)
    )


def _default(field: Any) -> Any:
    if field.default is not msgspec.NODEFAULT:
        return lambda: field.default
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory
    return lambda: UNSET


def _union_members(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def _bind(annotation: Any) -> Converter:
    """The converter of an annotation, its Meta bound in."""
    members = [member for member in _union_members(annotation) if member not in (type(None), UnsetType)]
    if len(members) != 1:
        raise TypeError(f"a request field has one type, not {annotation!r}")
    kind, meta = members[0], None
    if hasattr(kind, "__metadata__"):
        meta = next((item for item in kind.__metadata__ if isinstance(item, Meta)), None)
        kind = kind.__origin__
        if len(_union_members(kind)) > 1:
            return _bind(kind)
    if get_origin(kind) is Literal:
        return _choice(get_args(kind))
    if get_origin(kind) is list:
        return _items(get_args(kind)[0], meta)
    if isinstance(kind, type) and issubclass(kind, Input):
        return _nested(kind)
    if hasattr(kind, "parse"):
        return _parsed(kind.parse)
    base = CONVERTERS[get_origin(kind) or kind]
    return lambda value, _meta: base(value, meta)


def _choice(choices: tuple[Any, ...]) -> Converter:
    def convert(value: Any, _meta: Meta | None) -> Any:
        if isinstance(value, str) and value in choices:
            return value
        shown = str(value)[:100].replace("\x00", "")
        raise FieldError(f'"{shown}" is not a valid choice.')

    return convert


def _items(item: Any, meta: Meta | None) -> Converter:
    inner = _bind(item)

    def convert(value: Any, _meta: Meta | None) -> list[Any]:
        if not isinstance(value, list):
            raise FieldError(f'Expected a list of items but got type "{_json_type(value)}".')
        if meta and meta.max_length is not None and len(value) > meta.max_length:
            raise FieldError(f"Ensure this field has no more than {meta.max_length} elements.")
        if meta and meta.min_length and len(value) < meta.min_length:
            raise FieldError(f"Ensure this field has at least {meta.min_length} elements.")
        done, errors = [], {}
        for index, entry in enumerate(value):
            try:
                done.append(inner(entry, None))
            except FieldError as error:
                errors[str(index)] = error.messages
        if errors:
            raise FieldError(errors)
        return done

    return convert


def _nested(model: type[Input]) -> Converter:
    def convert(value: Any, _meta: Meta | None) -> Input:
        try:
            return build(model, value)
        except Invalid as error:
            raise FieldError(error.fields) from error

    return convert


def _parsed(parse: Callable[[Any], Any]) -> Converter:
    return lambda value, _meta: parse(value)


def _json_type(value: Any) -> str:
    names = {type(None): "NoneType", bool: "bool", dict: "dict", list: "list", str: "str", int: "int", float: "float"}
    return names.get(type(value), "str")


def build(model: type[InputT], raw: Any, method: str = "POST") -> InputT:
    """Read a decoded body. Raises Invalid with a list of messages for each field that is wrong."""
    if not isinstance(raw, Mapping):
        raise Invalid.whole(f"Invalid data. Expected a dictionary, but got {_json_type(raw)}.")
    values: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for field in plan_of(model):
        value = raw.get(field.wire, UNSET)
        try:
            values[field.name] = _read(field, value, method)
        except FieldError as error:
            errors[field.wire] = error.messages
    if errors:
        raise Invalid(errors)
    return model(**values)


def _read(field: FieldPlan, value: Any, method: str) -> Any:
    if value is UNSET:
        if field.required and method != "PATCH":
            raise FieldError(REQUIRED)
        return UNSET if field.required or method in ("PUT", "PATCH") else field.default()
    if value is None:
        if not field.nullable:
            raise FieldError(NULL)
        return None
    return field.convert(value, None)


def decode_json(body: bytes) -> Any:
    """JSON text as plain Python values. Raises Invalid as DRF words it, also for nesting that exhausts the decoder."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Invalid(f"JSON parse error - {reason}") from error


def decode_body(content_type: str, body: bytes) -> Any:
    media = content_type.partition(";")[0].strip().lower()
    if not body.strip():
        return {}
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
    def create_openapi_schema(cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any) -> Any:
        return schema_creator.for_field_definition(field_definition)

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Any:
        return iter(())

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
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
    """A request whose empty body reads as an empty object, as DRF parses it."""

    async def body(self) -> bytes:
        return await super().body() or b"{}"
