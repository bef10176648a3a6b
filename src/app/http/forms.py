"""Forms: urlencoded and multipart, read from memory with limits; a file stays a file, text stays text."""

import io
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from multipart import MultipartError, MultipartParser, parse_options_header

from app.errors import Invalid, TooLarge
from app.http.fields import FieldError

MAX_PARTS = 200
MAX_TEXT_BYTES = 1 << 20
MAX_FILE_BYTES = 10 << 20


class FormFile(msgspec.Struct, frozen=True):
    """An uploaded file: the client's name and type are claims, only the bytes count."""

    filename: str
    content_type: str
    content: bytes

    @classmethod
    def parse(cls, value: Any) -> "FormFile":
        """Called by the body reader; text in a file's place is refused."""
        if not isinstance(value, FormFile):
            raise FieldError("The submitted data was not a file. Check the encoding type on the form.")
        return value


def read_form(content_type: str, body: bytes) -> dict[str, Any]:
    """Name to value; of a name that comes twice the last one counts. Raises Invalid, TooLarge."""
    media, options = parse_options_header(content_type)  # type: ignore[no-untyped-call]
    try:
        if media == "multipart/form-data":
            return _multipart(body, options.get("boundary", ""))
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_PARTS))
    except (UnicodeDecodeError, ValueError) as error:
        raise Invalid("Form parse error - the form cannot be read") from error


def _multipart(body: bytes, boundary: str) -> dict[str, Any]:
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
    values: dict[str, Any] = {}
    try:
        for part in parser:
            if part.filename is None:
                values[part.name] = _text(part)
            else:
                values[part.name] = FormFile(part.filename[:255], part.content_type or "", part.raw)
    except MultipartError as error:
        raise Invalid("Multipart form parse error - the parts cannot be read") from error
    return values


def _text(part: Any) -> str:
    if part.size > MAX_TEXT_BYTES:
        raise TooLarge
    return bytes(part.raw).decode()
