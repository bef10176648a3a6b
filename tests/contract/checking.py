"""Is an answer what the contract says? Every answer that a test gets from the application is asked (tests/conftest.py).

A decimal is text with two places, a number is a JSON number, instants are UTC with `Z`; a field of the contract is
never left out, and what is not marked nullable is never null. Fields beside the contract's are not looked at.
"""

import datetime as dt
import ipaddress
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from tests.contract.operations import Operation, contract, shapes

PAGE = {"count": "int", "next": "url?", "previous": "url?", "results": "list"}
# Answers beside the contract's, and the one whose body they have: a hold that the buyer has already is shown again.
ALSO = {("flash_cart_reserve", "200"): "201"}
# Operations that were answered with success in this process, and how often.
answered: Counter[str] = Counter()
# On every answer, whatever it says; not read from the code that dresses them.
DRESSED = {
    "content-security-policy",
    "cross-origin-opener-policy",
    "referrer-policy",
    "x-content-type-options",
    "x-frame-options",
    "x-request-id",
}
# All answers that this process got since somebody took the counts, and those without one of these headers.
seen: Counter[str] = Counter()

NEVER_SHOWN = {
    *("password", "password2", "old_password", "new_password", "password_hash", "bypass_password"),
    *("bypass_password_hash", "digest", "salt", "token_version"),
}
SCHEMA = "flash_schema"
STAFFS_OWN = {"admin_notes"}
HASHED = re.compile(r"\$argon2|\$pbkdf2|\$2[aby]\$")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_DECIMAL = re.compile(r"-?\d+\.\d\d")
_TIME = re.compile(r"\d\d:\d\d(:\d\d(\.\d{1,6})?)?")
_ID = r"(\d+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_PLACES = {"{id}": _ID, "{order_id}": r"\d+", "{product_id}": r"\d+"}


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _reads(parse: Callable[[str], Any]) -> Callable[[Any], bool]:
    def reads(value: Any) -> bool:
        try:
            parse(value)
        except (TypeError, ValueError):
            return False
        return isinstance(value, str)

    return reads


def _matches(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


CHECKS: dict[str, Callable[[Any], bool]] = {
    "int": _whole,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "string": _is_text,
    "text": _is_text,
    # Who has none has an empty one.
    "email": lambda value: isinstance(value, str) and (value == "" or "@" in value),
    "url": lambda value: isinstance(value, str) and urlsplit(value).scheme in {"http", "https"},
    "decimal": _matches(_DECIMAL),
    "datetime": _matches(_INSTANT),
    "time": _matches(_TIME),
    "date": _reads(dt.date.fromisoformat),
    "uuid": _reads(UUID),
    "ip": _reads(ipaddress.ip_address),
    "object": lambda value: isinstance(value, dict),
    "json": lambda _value: True,
    "geojson": lambda value: isinstance(value, dict) and set(value) >= {"type", "coordinates"},
}


def problems(kind: str, value: Any, where: str) -> Iterator[str]:
    """What of a value is not of the contract's kind."""
    kind = kind.rstrip("!")
    if kind.endswith("?"):
        if value is None:
            return
        kind = kind[:-1]
    if kind.startswith("list<"):
        if not isinstance(value, list):
            yield f"{where} is {value!r}, no list"
            return
        for place, each in enumerate(value):
            yield from problems(kind[5:-1], each, f"{where}[{place}]")
    elif kind.startswith("enum:"):
        if value not in kind[5:].split("|"):
            yield f"{where} is {value!r}, none of {kind[5:]}"
    elif kind in shapes():
        yield from problems_of_fields(shapes()[kind], value, where)
    elif not CHECKS[kind](value):
        yield f"{where} is {value!r}, no {kind}"


def problems_of_fields(fields: dict[str, str], value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is {value!r}, no object"
        return
    for name, kind in fields.items():
        if name.startswith("<"):
            continue
        if name not in value:
            yield f"{where}.{name} is missing"
        else:
            yield from problems(kind, value[name], f"{where}.{name}")


def check(response: httpx.Response) -> None:
    """Compares a read answer with the contract. Raises AssertionError with all that differs."""
    bare = undressed(response)
    assert not bare, f"{response.request.method} {response.url.path[:200]} {response.status_code} without {bare}"
    operation = operation_at(response.request.method, response.url.path)
    if operation is None or response.status_code >= 300:
        return
    status = ALSO.get((operation.id, str(response.status_code)), str(response.status_code))
    assert status in operation.responses, f"{operation.id} answered {status}, not {list(operation.responses)}"
    answered[operation.id] += 1
    found = [*problems_of_answer(operation, status, response), *secrets(operation, response)]
    assert not found, f"{operation.id} {status}: " + "; ".join(found[:10])


def undressed(response: httpx.Response) -> set[str]:
    """The headers that an answer lacks; it is counted either way. Who shows credentials is told what may be kept."""
    wanted = DRESSED | {"cache-control"} if "authorization" in response.request.headers else DRESSED
    bare = wanted - set(response.headers)
    seen.update(answers=1, bare=int(bool(bare)))
    return bare


def secrets(operation: Operation, response: httpx.Response) -> Iterator[str]:
    """What nobody is ever shown, and what staff alone are. The audit log names fields, and masks what was in them."""
    is_json = response.headers.get("Content-Type", "").startswith("application/json")
    if not is_json or operation.id == SCHEMA:
        return
    named = set(_names(json.loads(response.content)))
    yield from (f"{name} is shown" for name in named & NEVER_SHOWN)
    if operation.auth != "admin":
        yield from (f"{name} is shown to everybody" for name in named & STAFFS_OWN)
    if HASHED.search(response.text):
        yield "the hash of a password is shown"


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for name, inner in value.items():
            if name != "changes":
                yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)


async def as_the_contract_says(response: httpx.Response) -> None:
    """A client's hook, by which every answer that it gets is compared."""
    await response.aread()
    check(response)


async def counted(response: httpx.Response) -> None:
    """The hook of clients of real processes: whether their answers have the headers is in the table of `make chaos`."""
    undressed(response)


HOOKS = {"response": [as_the_contract_says]}
COUNTED = {"response": [counted]}


def problems_of_answer(operation: Operation, status: str, response: httpx.Response) -> Iterator[str]:
    body, fields = operation.responses[status]
    if body == "none":
        if response.content:
            yield f"a body of {len(response.content)} bytes"
        return
    if body == "html" or not response.headers.get("Content-Type", "").startswith("application/json"):
        return
    value = json.loads(response.content)
    shape = shapes()[fields] if isinstance(fields, str) else fields
    rows = [value]
    if body == "page":
        yield from problems_of_fields(PAGE | {"results": "list<json>"}, value, "page")
        rows = value["results"] if isinstance(value, dict) else []
    elif body == "list":
        # A bare list becomes an envelope where the caller asks for a page.
        rows = value["results"] if isinstance(value, dict) and "results" in value else value
        yield from problems("list<json>", rows, "answer")
    for row in rows if isinstance(rows, list) else ():
        yield from problems_of_fields(shape, row, "answer")
    for name, literal in operation.literals.get(status, {}).items():
        if value.get(name) != literal:
            yield f"answer.{name} is {value.get(name)!r}, not {literal!r}"


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str], Operation], ...]:
    def pattern(path: str) -> re.Pattern[str]:
        parts = re.split(r"(\{\w+\})", path.rstrip("/"))
        return re.compile("".join(_place(part) if part.startswith("{") else re.escape(part) for part in parts) + "/?")

    return tuple((each.method, pattern(each.path), each) for each in contract().values())


def _place(name: str) -> str:
    return _PLACES.get(name, r"[^/]+")


def operation_at(method: str, path: str) -> Operation | None:
    """The contract's operation at an address; a path without places goes before one with them."""
    found = [each for verb, pattern, each in _patterns() if verb == method and pattern.fullmatch(path)]
    return min(found, key=lambda each: each.path.count("{"), default=None)
