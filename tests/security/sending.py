"""A request with one hostile place: everything else of it is what the operation wants."""

import copy
import json
import re
from typing import Any, NamedTuple
from urllib.parse import quote_from_bytes

from tests.contract.objects import Call
from tests.security.payloads import LONGEST_LINE, Payload
from tests.security.places import FORMS, Door, Place, example

JSON = "application/json"
URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
_MARK = "0f5a8c1e-the-place"
_BOUNDARY = "a-boundary-of-our-own"
# A server that reads HTTP hands over none of these.
_NO_HEADER = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Sent(NamedTuple):
    method: str
    url: str
    headers: list[tuple[bytes, bytes]]
    content: bytes


def good_body(door: Door, call: Call) -> Any:
    """What the operation is likely to take: the object's own body over an example of each field."""
    if not door.body:
        return None
    given = call.body if isinstance(call.body, dict) else {}
    made = example(door.body)
    return made | {name: value for name, value in given.items() if name in made} if isinstance(made, dict) else made


def good_path(door: Door, call: Call) -> str:
    return re.sub(r"\{\w+\}", lambda _: quote_from_bytes(str(call.place or 1).encode(), safe=""), door.path)


def hostile(place: Place, payload: Payload, call: Call, media: str = JSON) -> Sent:
    """The request that has the payload in that place."""
    door, line = place.door, payload.text[:LONGEST_LINE]
    path, query, headers = good_path(door, call), "", []
    content, content_type = _content(door, good_body(door, call), media)
    if place.where == "path":
        path = door.path.replace(f"{{{place.name}}}", quote_from_bytes(line, safe="") or "%20")
        path = re.sub(r"\{\w+\}", str(call.place or 1), path)
    elif place.where == "query":
        query = f"?{place.name}={quote_from_bytes(line, safe='')}"
    elif place.where == "header":
        headers = [(place.name.encode(), _NO_HEADER.sub(b"", line).strip())]
    else:
        content, content_type = _content(door, good_body(door, call), media, place.steps, payload)
    if content and not (place.where == "header" and place.name.lower() == "content-type"):
        headers.append((b"Content-Type", content_type.encode()))
    return Sent(door.method, path + query, headers, content)


def _content(
    door: Door, body: Any, media: str, steps: tuple[str | int, ...] = (), payload: Payload | None = None
) -> tuple[bytes, str]:
    if body is None:
        return b"", JSON
    if media in FORMS:
        fields = _flat(body)
        if payload is not None:
            fields[_form_name(steps)] = payload.text
        return _form(fields, media)
    if payload is None:
        return json.dumps(body).encode(), media
    marked = _with(copy.deepcopy(body), steps, _MARK)
    return json.dumps(marked).encode().replace(f'"{_MARK}"'.encode(), payload.raw), media


def _with(value: Any, steps: tuple[str | int, ...], new: Any) -> Any:
    """The value with `new` at those steps; what is missing on the way is made."""
    if not steps:
        return new
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        items = value if isinstance(value, list) and value else [None]
        return [_with(items[0], rest, new), *items[1:]]
    fields = value if isinstance(value, dict) else {}
    return fields | {step: _with(fields.get(step), rest, new)}


def _flat(body: Any) -> dict[str, bytes]:
    return {
        name: (value if isinstance(value, str) else json.dumps(value)).encode()
        for name, value in (body.items() if isinstance(body, dict) else ())
    }


def _form_name(steps: tuple[str | int, ...]) -> str:
    return str(steps[0]) + "".join(f"[{step}]" for step in steps[1:])


def _form(fields: dict[str, bytes], media: str) -> tuple[bytes, str]:
    if media == URLENCODED:
        pairs = (f"{quote_from_bytes(name.encode())}={quote_from_bytes(value)}" for name, value in fields.items())
        return "&".join(pairs).encode(), media
    parts = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"
        for name, value in fields.items()
    )
    return b"".join(parts) + f"--{_BOUNDARY}--\r\n".encode(), f"{media}; boundary={_BOUNDARY}"
