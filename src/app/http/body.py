"""From a decoded body to a Struct: every wrong field is named at once, in DRF's words.

The plan for a class is compiled once. On PATCH nothing is required and absent fields stay UNSET; on PUT absent optional
fields stay UNSET too, so `given()` tells what the client sent.
"""

import types
import typing
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.errors import Invalid
from app.http.fields import CONVERTERS, NULL, REQUIRED, Converter, FieldError
from app.http.forms import Form


class Input(msgspec.Struct, kw_only=True):
    """A request's body. Unknown and read-only fields are ignored."""

    # True for the body of an action that happens to be a PUT or PATCH: it changes no object, so defaults hold.
    action: ClassVar[bool] = False

    def given(self) -> dict[str, Any]:
        """The fields that the client sent (or that have a default on POST), by name."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not UNSET}

    @classmethod
    def accept(cls, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """The body under its fields' own names; a class that takes other names too says so here."""
        return raw

    @classmethod
    def refused(cls, errors: dict[str, Any]) -> Invalid:
        """The error of a body with wrong fields; a class whose contract words it otherwise says so here."""
        return Invalid(errors)


InputT = TypeVar("InputT", bound=Input)


class FieldPlan(msgspec.Struct, frozen=True):
    """How one field is read."""

    name: str
    wire: str
    convert: Converter
    nullable: bool
    required: bool
    default: Any
    kind: Any

    @property
    def blank(self) -> Any:
        """What an empty field of a form stands for, if it is not text."""
        if self.nullable:
            return None
        return "" if self.required else UNSET


@cache
def plan_of(model: type[Input]) -> tuple[FieldPlan, ...]:
    """How each field of a class is read; compiled once. Raises TypeError for a field that has no one type."""
    hints = typing.get_type_hints(model, include_extras=True)
    return tuple(_plan(field, hints[field.name]) for field in msgspec.structs.fields(model))


def _plan(field: Any, annotation: Any) -> FieldPlan:
    kind, _, nullable = _parts(annotation)
    return FieldPlan(
        name=field.name,
        wire=field.encode_name,
        convert=_bind(annotation),
        nullable=nullable,
        required=field.required,
        default=_default(field),
        kind=get_origin(kind) or kind,
    )


def _default(field: Any) -> Any:
    if field.default is not msgspec.NODEFAULT:
        return lambda: field.default
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory
    return lambda: UNSET


def _parts(annotation: Any) -> tuple[Any, Meta | None, bool]:
    """An annotation's bare type, its Meta, and whether it takes null: `Name | None` is `str`, its lengths, True."""
    meta, nullable = None, False
    while True:
        if get_origin(annotation) is Annotated:
            meta = meta or next((item for item in annotation.__metadata__ if isinstance(item, Meta)), None)
            annotation = annotation.__origin__
        elif get_origin(annotation) in (Union, types.UnionType):
            members = [member for member in get_args(annotation) if member not in (type(None), UnsetType)]
            if len(members) != 1:
                raise TypeError(f"a request field has one type, not {annotation!r}")
            nullable = nullable or type(None) in get_args(annotation)
            annotation = members[0]
        else:
            return annotation, meta, nullable


def _bind(annotation: Any) -> Converter:
    """The converter of an annotation, its Meta bound in."""
    kind, meta, _ = _parts(annotation)
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
    names = {type(None): "NoneType", bool: "bool", dict: "dict", list: "list", str: "str", int: "int"}
    return names.get(type(value), "float" if isinstance(value, float | Decimal) else "str")


def build(model: type[InputT], raw: Any, method: str = "POST") -> InputT:
    """Read a decoded body. Raises Invalid with a list of messages for each field that is wrong."""
    if not isinstance(raw, Mapping):
        message = f"Invalid data. Expected a dictionary, but got {_json_type(raw)}."
        raise model.refused({"non_field_errors": [message]})
    values: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    raw = model.accept(raw)
    method = "POST" if model.action else method
    for field in plan_of(model):
        try:
            values[field.name] = _read(field, _raw_value(field, raw), method)
        except FieldError as error:
            errors[field.wire] = error.messages
    if errors:
        raise model.refused(errors)
    return model(**values)


def _raw_value(field: FieldPlan, raw: Mapping[str, Any]) -> Any:
    if isinstance(raw, Form):
        return raw.value_of(field.wire, field.kind, field.blank)
    return raw.get(field.wire, UNSET)


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
