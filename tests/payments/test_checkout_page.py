"""A person pays on the sandbox's page: in a real browser, from the page to the paid order."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser import open_page, program
from tests.payments.counter import Counter

needs_a_browser = pytest.mark.skipif(program() is None, reason="no Chromium on this machine")


@needs_a_browser
@pytest.mark.parametrize(
    ("button", "back", "expected"),
    [
        ("APRO", "/pago/ok", ("approved", "paid")),
        ("FUND", "/pago/error", ("rejected", "payment_pending")),
        ("CONT", "/pago/pendiente", ("pending", "payment_pending")),
    ],
)
async def test_a_person_clicks(
    counter: Counter, tmp_path: Path, button: str, back: str, expected: tuple[str, str]
) -> None:
    order_id = await counter.order("25999.50")
    preference_id = await counter.started(order_id)
    shop = counter.sandbox.url
    # The shop's own page stands in the sandbox, which answers 404 there: what counts is that the browser comes back.
    urls = counter.till.preferences[preference_id]["back_urls"]
    urls |= {name: url.replace("http://testserver", shop) for name, url in urls.items()}
    async with open_page(tmp_path / "profile") as page:
        await page.open(counter.till.preferences[preference_id]["init_point"])
        assert await page.value("document.querySelector('h1').textContent") == f"Pedido #{order_id}"
        assert "25,999.50" in await page.value("document.querySelector('.sum').textContent")
        assert await page.value("getComputedStyle(document.querySelector('.till')).borderRadius") == "14px"
        await page.click(f"#{button}")
        await page.wait(f"location.pathname === {back!r}")
        query = parse_qs(urlsplit(await page.value("location.href")).query)
    await counter.notifier.settle()
    await counter.drain()
    assert await counter.status(order_id) == expected
    assert query["preference_id"] == [preference_id]
    assert query["status"] == [expected[0]]
    assert query["merchant_account_id"] == ["null"]


@needs_a_browser
async def test_a_person_changes_their_mind(counter: Counter, tmp_path: Path) -> None:
    order_id = await counter.order()
    preference_id = await counter.started(order_id)
    urls = counter.till.preferences[preference_id]["back_urls"]
    urls["failure"] = f"{counter.sandbox.url}/pago/error"
    async with open_page(tmp_path / "profile") as page:
        await page.open(counter.till.preferences[preference_id]["init_point"])
        await page.click("#back")
        await page.wait("location.pathname === '/pago/error'")
        query = parse_qs(urlsplit(await page.value("location.href")).query)
    assert (query["payment_id"], query["status"]) == (["null"], ["null"])
    assert counter.till.payments == {}
