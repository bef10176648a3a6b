"""Every operation of the contract: its address, who may call it, what goes in and out."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.http.openapi.pages import rendered
from app.server import Relampago, create_app
from app.settings import Settings
from tests.contract.operations import (
    ADDED,
    ADDED_FOR_STAFF,
    PRINCIPALS_GOAL,
    Operation,
    contract,
    fields_of,
)
from tests.factories import bearer, make_staff, make_user

Document = dict[str, Any]
# With real objects: test_objects.py.
PRINCIPALS = ("nobody", "blocked", "user", "another", "staff")
SIGNED_IN = {"user", "basic_or_bearer", "owner_or_admin"}
# Its key is needed in production only.
OPEN_IN_DEVELOPMENT = {"dollar_rate_auto_update"}
# These ask a provider, which no test of this file has.
OUTSIDE = {"products_sync_validate"}


@pytest.fixture(scope="module")
def document() -> Document:
    """The schema of the application as it is wired; nothing connects."""
    url = "postgresql://nobody@127.0.0.1:1/none"
    app = create_app(Settings(database_url=url, database_admin_url=url, secret_key="s" * 32, log_level="critical"))
    found: Document = json.loads(rendered(app, as_yaml=False))
    return found


def entries(document: Document) -> Iterator[tuple[str, str, str]]:
    for path, methods in document["paths"].items():
        for method, entry in methods.items():
            yield entry["operationId"], method.upper(), path


def entry_of(document: Document, operation: Operation) -> Document:
    found: Document = document["paths"][operation.path][operation.method.lower()]
    return found


def test_the_schema_has_the_contracts_paths_and_no_other(document: Document) -> None:
    """But for what is named as added, which takes nothing of the contract's."""
    expected = {(operation.id, operation.method, operation.path) for operation in contract().values()}
    assert ADDED & expected == set()
    assert set(entries(document)) == expected | ADDED


def named(operation: Operation) -> str:
    return operation.id


@pytest.mark.parametrize("operation", contract().values(), ids=named)
def test_the_schema_says_who_may_call(document: Document, operation: Operation) -> None:
    security = entry_of(document, operation)["security"]
    open_to_all = {"public", "optional", "cron_key", "webhook_hmac"}
    assert (security == [] or {} in security) == (operation.auth in open_to_all)


def resolve(document: Document, schema: Document) -> Document:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def objects(document: Document, schema: Document, body: str) -> Iterator[Document]:
    """The object schemas that a body of the contract's kind (`object`, `list`, `page`) is made of."""
    schema = resolve(document, schema)
    if "anyOf" in schema:
        for each in schema["anyOf"]:
            yield from objects(document, each, body)
    elif schema.get("type") == "array" and body in {"list", "page"}:
        yield from objects(document, schema["items"], "object")
    elif body in {"list", "page"} and {"count", "next", "previous", "results"} <= set(schema.get("properties", {})):
        yield from objects(document, schema["properties"]["results"], "list")
    elif body == "object" and schema.get("type") == "object":
        yield schema


@pytest.mark.parametrize("operation", contract().values(), ids=named)
def test_answers_have_the_contracts_fields(document: Document, operation: Operation) -> None:
    responses = entry_of(document, operation)["responses"]
    statuses = [status for status in operation.success if status in responses]
    assert statuses, f"{list(responses)} is none of {list(operation.success)}"
    body, fields = operation.responses[statuses[0]]
    if body == "none":
        assert "content" not in responses[statuses[0]]
    elif body != "html" and fields_of(fields):
        content = next(iter(responses[statuses[0]]["content"].values()))
        found = [set(each.get("properties", {})) for each in objects(document, content["schema"], body)]
        free = [each for each in objects(document, content["schema"], body) if "properties" not in each]
        assert found
        assert free or any(fields_of(fields) <= names for names in found), fields_of(fields) - set().union(*found)


@pytest.mark.parametrize("operation", contract().values(), ids=named)
def test_bodies_have_the_contracts_fields(document: Document, operation: Operation) -> None:
    if not operation.request:
        return
    content = entry_of(document, operation)["requestBody"]["content"]
    schema = resolve(document, next(iter(content.values()))["schema"])
    assert set(operation.request) - set(schema["properties"]) == set()
    required = {name for name, kind in operation.request.items() if kind.endswith("!")}
    assert required - set(schema.get("required", [])) == set()


@pytest.mark.parametrize("operation", contract().values(), ids=named)
def test_the_contracts_query_and_errors_are_documented(document: Document, operation: Operation) -> None:
    entry = entry_of(document, operation)
    query = {each["name"] for each in entry.get("parameters", []) if each["in"] == "query"}
    assert set(operation.query) - query == set()
    errors = {status for status in operation.responses if status >= "400"}
    assert errors - set(entry["responses"]) == set()


@pytest.mark.parametrize(("name", "method", "path"), sorted(ADDED_FOR_STAFF))
async def test_what_is_added_is_for_staff(
    client: httpx.AsyncClient, credentials: dict[str, dict[str, str]], name: str, method: str, path: str
) -> None:
    address = path.format(id=999_999_999)
    found = {
        who: (await client.request(method, address, headers=headers)).status_code
        for who, headers in credentials.items()
    }
    assert (found["nobody"], found["user"], found["another"]) == (401, 403, 403), name
    assert found["staff"] in {200, 201, 204, 400, 404}, name


@pytest.fixture
async def credentials(db: AsyncSession, settings: Settings) -> dict[str, dict[str, str]]:
    users = {"user": await make_user(db), "another": await make_user(db), "staff": await make_staff(db)}
    users["blocked"] = await make_user(db, is_active=False)
    return {"nobody": {}} | {name: bearer(settings, user) for name, user in users.items()}


def verdicts(operation: Operation, principal: str) -> set[int]:
    """The statuses by which access is refused, if it has to be; an empty set lets the caller in."""
    if operation.id in OPEN_IN_DEVELOPMENT:
        return set()
    if operation.auth in {"cron_key", "webhook_hmac"}:
        return {401}
    if operation.auth in {"public", "optional"} or principal == "staff":
        return set()
    if principal in {"nobody", "blocked"}:
        # Whether the caller is blocked is asked by the hold's own statement, after the body.
        return {400, 401} if (principal, operation.id) == ("blocked", "flash_cart_reserve") else {401}
    return {403} if operation.auth == "admin" else set()


@pytest.mark.shows("S2")
@pytest.mark.goal("S2", PRINCIPALS_GOAL, "operation and principal", quick=len(PRINCIPALS))
@pytest.mark.parametrize("operation", contract().values(), ids=named)
async def test_access(
    client: httpx.AsyncClient, credentials: dict[str, dict[str, str]], operation: Operation, app: Relampago
) -> None:
    for principal in PRINCIPALS:
        answer = await client.request(operation.method, operation.address, headers=credentials[principal])
        refused = verdicts(operation, principal)
        told = f"{principal}: {answer.status_code} {answer.text[:200]}"
        # A provider that is not there may be an answer of the contract's own.
        excused = operation.id in OUTSIDE or "503" in operation.responses
        assert answer.status_code < 500 or (answer.status_code == 503 and excused), told
        assert answer.status_code != 405, told
        if refused:
            assert answer.status_code in refused, told
        elif operation.auth in SIGNED_IN:
            assert answer.status_code != 401, told
        else:
            # Where anybody may come a token that is shown is looked at, or is not.
            if principal == "blocked" and answer.status_code == 401:
                continue
            allowed = {*operation.responses, "400", "404", "415"} | ({"503"} if operation.id in OUTSIDE else set())
            assert str(answer.status_code) in allowed, told
            assert answer.status_code != 403, told
