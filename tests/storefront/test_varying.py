"""Caches between us and the shopper mix neither callers nor origins."""

import httpx
import msgspec
import pytest

from app.server import create_app
from app.settings import Settings

GOOD = "https://shop.example.com"


@pytest.mark.usefixtures("_clean")
@pytest.mark.parametrize("origin", [None, GOOD, "https://evil.net"])
async def test_a_public_read_says_by_what_it_varies(settings: Settings, origin: str | None) -> None:
    app = create_app(msgspec.structs.replace(settings, cors_allowed_origins=(GOOD,)))
    headers = {} if origin is None else {"Origin": origin}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
        answer = await http.get("/api/products/", headers=headers)
        again = await http.get("/api/products/", headers=headers | {"If-None-Match": answer.headers["etag"]})
    for each, status in ((answer, 200), (again, 304)):
        assert each.status_code == status
        assert each.headers.get_list("vary", split_commas=True) in (
            ["Authorization", "Origin"],
            ["Origin", "Authorization"],
        )
        assert each.headers.get("access-control-allow-origin") == (GOOD if origin == GOOD else None)
