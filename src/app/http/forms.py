"""Forms: urlencoded and multipart, read from memory with limits; a file stays a file, text stays text."""

import datetime as dt
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from msgspec import UNSET
from multipart import MultipartError, MultipartParser, parse_options_header

from app.errors import Invalid, TooLarge
from app.http.fields import EXACT_JSON, FieldError

MAX_PARTS = 200
MAX_TEXT_BYTES = 1 << 20
MAX_FILE_BYTES = 10 << 20


class FormFile(msgspec.Struct, frozen=True):
    """An uploaded file: the client's name and type are claims, only the bytes count."""

    openapi: ClassVar[Mapping[str, Any]] = {"type": "string", "format": "binary"}

    filename: str
    content_type: str
    content: bytes

    @classmethod
    def parse(cls, value: Any) -> "FormFile":
        """Called by the body reader; text in a file's place is refused."""
        if not isinstance(value, FormFile):
            raise FieldError("The submitted data was not a file. Check the encoding type on the form.")
        return value


class Form(dict[str, Any]):
    """A form's fields by name; of a name that comes twice the last value counts, but for lists."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    def value_of(self, name: str, kind: Any, blank: Any) -> Any:
        """A field's value as JSON would carry it; UNSET when it was not sent.

        Forms know no null, no lists and no objects: an empty field that is not text is `blank`, a repeated one a list,
        and where a structure is wanted its JSON text is read.
        """
        values = [value for given, value in self.pairs if given == name]
        if not values:
            return UNSET
        value = values[-1]
        if kind is str or not isinstance(value, str):
            return value
        if not value.strip():
            return blank
        if kind not in _SCALARS and value.lstrip()[0] in "[{":
            return _structure(value)
        return values if kind is list else value


_SCALARS = frozenset({int, bool, Decimal, dt.datetime, dt.date, dt.time, UUID, Literal})


def _structure(value: str) -> Any:
    """JSON in a form's field; what is not JSON stays the text that it is, for its converter to refuse."""
    try:
        return EXACT_JSON.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return value


def read_form(content_type: str, body: bytes) -> Form:
    """The fields of a form. Raises Invalid, TooLarge."""
    media, options = parse_options_header(content_type)  # type: ignore[no-untyped-call]
    try:
        if media == "multipart/form-data":
            return Form(_multipart(body, options.get("boundary", "")))
        return Form(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_PARTS))
    except (UnicodeDecodeError, ValueError) as error:
        raise Invalid("Form parse error - the form cannot be read") from error


def _multipart(body: bytes, boundary: str) -> list[tuple[str, Any]]:
    if not boundary or len(boundary) > 200:
        raise Invalid("Multipart form parse error - Invalid boundary in multipart")
    parser = MultipartParser(  # type: ignore[no-untyped-call]
        io.BytesIO(body),
        boundary,
        content_length=len(body),
        disk_limit=MAX_FILE_BYTES * 2,
        memory_limit=MAX_FILE_BYTES * 2,
        spool_limit=MAX_FILE_BYTES * 2,
        part_limit=MAX_PARTS,
        header_limit=16,
    )
    try:
        return [(part.name, _value(part)) for part in parser]
    except MultipartError as error:
        raise Invalid("Multipart form parse error - the parts cannot be read") from error


def _value(part: Any) -> str | FormFile:
    if part.filename is not None:
        return FormFile(part.filename[:255], part.content_type or "", part.raw)
    if part.size > MAX_TEXT_BYTES:
        raise TooLarge
    return bytes(part.raw).decode()
