"""Where MercadoPago sends the buyer back to."""

import httpx
import pytest


@pytest.mark.parametrize(
    ("outcome", "title"),
    [
        ("ok", "Gracias por tu compra"),
        ("error", "El pago no se hizo"),
        ("pendiente", "El pago está pendiente"),
    ],
)
async def test_each_way_back_has_its_words(client: httpx.AsyncClient, outcome: str, title: str) -> None:
    answer = await client.get(f"/pago/{outcome}", params={"status": "<script>", "payment_id": "1"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f"<h1>{title}</h1>" in answer.text
    assert "script" not in answer.text
    assert "form-action 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("outcome", ["otro", "OK", "%3Cb%3E"])
async def test_there_is_no_other(client: httpx.AsyncClient, outcome: str) -> None:
    assert (await client.get(f"/pago/{outcome}")).status_code == 404
