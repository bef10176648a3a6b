"""Bodies of the cart's operations that are no JSON object: refused under `detail`, and nothing changes."""

import json
from typing import Any

import pytest

from tests.promos.market import Market


@pytest.mark.parametrize("body", [[], [1], "x", 7, 1.5, True, None])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/cart/reserve"), ("PUT", "/cart/checkout"), ("PUT", "/api/cart/cancel/")]
)
async def test_a_body_that_is_no_object(market: Market, method: str, path: str, body: Any) -> None:
    buyer, before = await market.buyer(), await market.stored()
    headers = market.headers(buyer) | {"Content-Type": "application/json"}
    answer = await market.client.request(method, path, content=json.dumps(body), headers=headers)
    message = f"Invalid data. Expected a dictionary, but got {type(body).__name__}."
    assert answer.status_code == 400
    assert answer.json() == {"detail": message, "non_field_errors": [message]}
    assert {**await market.stored(), "profiles": None} == {**before, "profiles": None}
