"""The document and its pages: from the routes, valid, and from nowhere else than here."""

import json
import re
from typing import Any

import httpx
import pytest
import yaml

from app.http.openapi.document import contract_path, document_of
from app.http.openapi.pages import FILES
from app.server import Relampago
from tests.http.conftest import client_of, offline

Document = dict[str, Any]


@pytest.fixture(scope="module")
def app() -> Relampago:
    return offline()


@pytest.fixture(scope="module")
def document(app: Relampago) -> Document:
    found: Document = json.loads(json.dumps(document_of(app)))
    return found


async def get(app: Relampago, path: str, **headers: str) -> httpx.Response:
    async with client_of(app) as http:
        return await http.get(path, headers=headers)


async def test_json_unless_asked_otherwise(app: Relampago, document: Document) -> None:
    for path in ("/api/schema/", "/api/schema", "/api/schema/?format=json"):
        answer = await get(app, path)
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == document
    assert document["openapi"] == "3.1.0"


@pytest.mark.parametrize(
    ("path", "accept", "media"),
    [
        ("/api/schema/?format=yaml", "application/json", "application/yaml"),
        ("/api/schema/", "application/yaml", "application/yaml"),
        ("/api/schema/", "text/yaml;q=0.9, */*;q=0.1", "application/yaml"),
        ("/api/schema/", "application/vnd.oai.openapi", "application/vnd.oai.openapi"),
    ],
)
async def test_yaml_says_the_same(app: Relampago, document: Document, path: str, accept: str, media: str) -> None:
    answer = await get(app, path, accept=accept)
    assert answer.headers["content-type"].partition(";")[0] == media
    assert answer.headers["vary"] == "Accept"
    assert yaml.safe_load(answer.text) == document
    assert "&id" not in answer.text


async def test_browsers_and_others_get_json(app: Relampago) -> None:
    for accept in ("*/*", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "", "image/png"):
        assert (await get(app, "/api/schema/", accept=accept)).headers["content-type"] == "application/json"
    named = await get(app, "/api/schema/", accept="application/vnd.oai.openapi+json")
    assert named.headers["content-type"] == "application/vnd.oai.openapi+json"


async def test_an_unknown_format_is_404(app: Relampago) -> None:
    assert (await get(app, "/api/schema/?format=xml")).status_code == 404


def test_every_reference_leads_somewhere(document: Document) -> None:
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        found: Any = document
        for step in reference.split("/"):
            found = found[step]


def test_paths_have_their_final_slash(document: Document) -> None:
    bare = [path for path in document["paths"] if not path.endswith("/")]
    assert bare == ["/cart/cancel", "/cart/checkout", "/cart/reserve", "/promos/active", "/promos/{id}/live"]


def test_only_operations_are_listed(document: Document) -> None:
    methods = {method for entry in document["paths"].values() for method in entry}
    assert methods <= {"get", "post", "put", "patch", "delete"}
    assert not {"/livez", "/readyz", "/api/redoc/", "/api/cart/reserve/", "/api/admin/promos/"} & set(document["paths"])


@pytest.mark.parametrize(
    ("route", "shown"),
    [
        ("/api/orders/{order_id}", "/api/orders/{id}/"),
        ("/api/orders/{id}/items", "/api/orders/{id}/items/"),
        ("/api/categories/{category}", "/api/categories/{id}/"),
        ("/api/payments/status/{order_id}", "/api/payments/status/{order_id}/"),
        ("/api/sync-status/{sync_id}", "/api/sync-status/{sync_id}/"),
        ("/api/products/sync/{product_id}", "/api/products/sync/{product_id}/"),
        (
            "/api/orders/abandoned-carts/public/cart/{anonymous_id}",
            "/api/orders/abandoned-carts/public/cart/{anonymous_id}/",
        ),
        ("/admin/promos", "/admin/promos/"),
        ("/cart/reserve", "/cart/reserve"),
    ],
)
def test_paths_are_the_contracts(route: str, shown: str) -> None:
    names = dict.fromkeys(re.findall(r"{(\w+)}", route), int)
    path, parameters = contract_path(route, names)
    assert path == shown
    assert set(parameters) == set(re.findall(r"{(\w+)}", shown))


def test_access_follows_from_the_guard(document: Document) -> None:
    bearer: Document = {"bearer": []}
    basic: Document = {"basic": []}
    expected = {
        "/api/probe/mine/": [bearer, basic],
        "/api/probe/mine-basic/": [basic, bearer],
        "/api/probe/staff/": [bearer, basic],
        "/api/probe/anyone/": [bearer, basic, {}],
        "/api/probe/crash/": [],
    }
    assert {path: document["paths"][path]["get"]["security"] for path in expected} == expected
    assert document["components"]["securitySchemes"]["basic"] == {"type": "http", "scheme": "basic"}
    assert "403" in document["paths"]["/api/probe/staff/"]["get"]["responses"]


def test_without_basic_the_document_does_not_offer_it() -> None:
    found = document_of(offline(AUTH_BASIC_ENABLED="false"))
    assert list(found["components"]["securitySchemes"]) == ["bearer"]
    assert '"basic"' not in json.dumps(found["paths"])


def test_errors_follow_from_guard_path_and_body(document: Document) -> None:
    paths = document["paths"]
    assert list(paths["/api/probe/everything/"]["post"]["responses"]) == ["201", "400", "default"]
    assert list(paths["/api/probe/everything/{id}/"]["patch"]["responses"]) == ["200", "400", "404", "default"]
    assert list(paths["/api/probe/staff/"]["get"]["responses"]) == ["200", "401", "403", "default"]
    assert paths["/api/probe/rows/{id}/"]["delete"]["responses"]["204"] == {"description": "Done; no body."}


def test_a_hold_that_is_there_already_is_a_success_too(document: Document) -> None:
    responses = document["paths"]["/cart/reserve"]["post"]["responses"]
    assert list(responses)[:2] == ["200", "201"]
    assert responses["200"] == responses["201"]
    assert responses["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Hold"}


def test_bodies_are_described_as_they_are_read(document: Document) -> None:
    schemas = document["components"]["schemas"]
    post = document["paths"]["/api/probe/everything/"]["post"]["requestBody"]
    patch = document["paths"]["/api/probe/everything/{id}/"]["patch"]["requestBody"]
    assert list(post["content"]) == ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"]
    assert (post["required"], patch["required"]) == (True, False)
    whole, partial = schemas["Everything"], schemas["PatchedEverything"]
    assert whole["required"] == ["name", "price"]
    assert "required" not in partial
    assert whole["properties"]["kind"] == {"enum": ["new", "old"], "default": "new"}
    assert partial["properties"]["kind"] == {"enum": ["new", "old"]}
    assert whole["properties"]["price"] == {"type": "string", "format": "decimal", "examples": ["1500.00"]}
    assert whole["properties"]["at"]["anyOf"] == [{"type": "string", "format": "date-time"}, {"type": "null"}]
    assert whole["properties"]["hour"]["anyOf"][0] == {"type": "string", "format": "time"}
    assert whole["properties"]["email"]["anyOf"][0]["format"] == "email"
    assert [set(each["required"]) for each in schemas["GeoPoint"]["anyOf"]] == [{"lat", "lon"}, {"type", "coordinates"}]


def test_a_body_with_a_file_is_json_or_multipart(document: Document) -> None:
    content = document["paths"]["/api/probe/pictures/"]["post"]["requestBody"]["content"]
    assert list(content) == ["application/json", "multipart/form-data"]
    assert document["components"]["schemas"]["FormFile"] == {"type": "string", "format": "binary"}


def test_a_page_has_its_parameters(document: Document) -> None:
    entry = document["paths"]["/api/probe/numbers/"]["get"]
    assert [each["name"] for each in entry["parameters"]] == ["page", "page_size"]


@pytest.mark.parametrize("path", ["/api/docs/", "/api/redoc/", "/api/docs", "/api/redoc"])
async def test_pages_load_from_here_alone(app: Relampago, path: str) -> None:
    answer = await get(app, path)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "//" not in answer.text
    assert "<script>" not in answer.text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert len(loaded) >= 4
    for each in loaded:
        assert each.startswith("/api/docs/assets/")
        assert (await get(app, each)).status_code == 200


@pytest.mark.parametrize(("name", "entry"), FILES.items())
async def test_assets_have_their_type_and_may_be_kept(app: Relampago, name: str, entry: tuple[str, str]) -> None:
    answer = await get(app, f"/api/docs/assets/{name}")
    assert answer.headers["content-type"].partition(";")[0] == entry[1]
    assert answer.headers["cache-control"] == "public, max-age=86400"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content


@pytest.mark.parametrize(
    "name", ["README.md", "docs.html", "..%2fopenapi%2fpages.py", "swagger-ui%2fLICENSE", "%2e%2e", ""]
)
async def test_nothing_else_is_given_out(app: Relampago, name: str) -> None:
    assert (await get(app, f"/api/docs/assets/{name}")).status_code == 404


async def test_no_address_of_a_foreign_host_is_loaded_by_the_assets(app: Relampago) -> None:
    """Redoc's logo came from its makers' host."""
    for name in ("redoc.standalone.js", "swagger-ui-bundle.js", "swagger-ui.css"):
        text = (await get(app, f"/api/docs/assets/{name}")).text
        assert re.findall(r'src:\s*"https?://[^"]*"|url\(["\']?https?://[^)]*|@import', text) == []


async def test_doors_ignore_a_bad_token(app: Relampago) -> None:
    for path in ("/api/schema/", "/api/docs/", "/api/redoc/"):
        assert (await get(app, path, authorization="Bearer x")).status_code == 200
