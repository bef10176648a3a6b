"""Pages: the envelope, its links, and what asks for a page that cannot be."""

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from litestar.testing import RequestFactory

from app.http.addresses import own_address

URL = "/api/probe/numbers/"
HERE = f"http://testserver{URL}"


async def page(http: httpx.AsyncClient, query: str = "") -> Any:
    answer = await http.get(f"{URL}{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def numbers(found: Any) -> list[int]:
    return [each["number"] for each in found["results"]]


async def test_the_first_page(http: httpx.AsyncClient) -> None:
    found = await page(http)
    assert list(found) == ["count", "next", "previous", "results"]
    assert (found["count"], found["next"], found["previous"]) == (25, f"{HERE}?page=2", None)
    assert numbers(found) == list(range(1, 11))


async def test_pages_in_the_middle_and_at_the_end(http: httpx.AsyncClient) -> None:
    second, third = await page(http, "?page=2"), await page(http, "?page=3")
    assert (second["next"], second["previous"]) == (f"{HERE}?page=3", HERE)
    assert numbers(second) == list(range(11, 21))
    assert (third["next"], third["previous"], numbers(third)) == (None, f"{HERE}?page=2", list(range(21, 26)))
    assert await page(http, "?page=last") == third


async def test_following_the_links_meets_every_row_once(http: httpx.AsyncClient) -> None:
    met, link = [], f"{HERE}?page_size=4"
    while link:
        found = (await http.get(link)).json()
        met += numbers(found)
        link = found["next"]
    assert met == list(range(1, 26))


async def test_links_keep_the_other_parameters(http: httpx.AsyncClient) -> None:
    found = await page(http, "?page=2&search=a%26b%3Dc+%C3%A1&page_size=10&tag=x&tag=y&empty=")
    rest = "page_size=10&search=a%26b%3Dc+%C3%A1&tag=x&tag=y"
    assert found["next"] == f"{HERE}?empty=&page=3&{rest}"
    assert found["previous"] == f"{HERE}?empty=&{rest}"


async def test_links_keep_the_path_as_it_was_asked_for(http: httpx.AsyncClient) -> None:
    found = (await http.get(URL.rstrip("/"))).json()
    assert found["next"] == f"{HERE.rstrip('/')}?page=2"


@pytest.mark.parametrize(
    "asked",
    [
        "0",
        "-1",
        "4",
        "1e18",
        "1000000000000000000",
        "9" * 400,
        "x",
        "",
        "1.5",
        "+1",
        " 1",
        "%D9%A1",
        "1_0",
        "Last",
        "%00",
    ],
)
async def test_a_page_that_cannot_be_is_404(http: httpx.AsyncClient, asked: str) -> None:
    answer = await http.get(f"{URL}?page={asked}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Invalid page."})


@pytest.mark.parametrize("asked", ["0", "-1", "x", "", "1.5", "9" * 400, "%D9%A1", "%00", "1_0"])
async def test_a_size_that_cannot_be_is_ignored(http: httpx.AsyncClient, asked: str) -> None:
    assert len((await page(http, f"?page_size={asked}"))["results"]) == 10


async def test_sizes_are_capped(http: httpx.AsyncClient) -> None:
    found = await page(http, "?rows=150&page_size=1000000000")
    assert (len(found["results"]), found["count"]) == (100, 150)
    assert found["next"] == f"{HERE}?page=2&page_size=1000000000&rows=150"
    assert len((await page(http, "?page_size=7"))["results"]) == 7


async def test_of_a_repeated_parameter_the_last_counts(http: httpx.AsyncClient) -> None:
    assert numbers(await page(http, "?page=1&page=3")) == list(range(21, 26))
    assert (await http.get(f"{URL}?page=1&page=9")).status_code == 404


@pytest.mark.parametrize(
    ("public_url", "proxies", "proto", "expected"),
    [
        ("http://127.0.0.1:8000", 0, None, "http://asked.example"),
        ("http://127.0.0.1:8000", 0, "https", "http://asked.example"),
        ("https://asked.example", 0, None, "https://asked.example"),
        ("https://shop.example", 0, "https", "http://asked.example"),
        ("https://shop.example", 1, None, "https://shop.example"),
        ("http://127.0.0.1:8000", 1, "https", "https://asked.example"),
        ("http://127.0.0.1:8000", 1, "http, https", "https://asked.example"),
        ("http://127.0.0.1:8000", 2, "https, http", "https://asked.example"),
        ("http://127.0.0.1:8000", 1, "javascript", "http://asked.example"),
        ("http://127.0.0.1:8000", 1, None, "http://asked.example"),
    ],
)
def test_links_begin_as_the_client_reached_us(public_url: str, proxies: int, proto: str | None, expected: str) -> None:
    headers = {"Host": "asked.example", "X-Forwarded-Host": "evil.example"}
    request = RequestFactory(server="asked.example", port=80).get(
        "/", headers=headers if proto is None else headers | {"X-Forwarded-Proto": proto}
    )
    request.app.state.settings = SimpleNamespace(public_url=public_url, trusted_proxies=proxies)
    assert own_address(request) == expected
