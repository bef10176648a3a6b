"""The page: its own files, a strict policy, and a feed of what is new."""

import re

import httpx
import pytest

from sandbox import ledger
from sandbox.ledger import Mail, Push, Shelf, now
from sandbox.server import Sandbox

EVIL = "<script>alert(1)</script>"


def push(token: str) -> Push:
    return Push(token, "a", "b", {}, now())


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/assets/page.css", "text/css; charset=utf-8"),
        ("/assets/page.js", "text/javascript; charset=utf-8"),
        ("/assets/icon.svg", "image/svg+xml"),
    ],
)
async def test_files(web: httpx.AsyncClient, path: str, kind: str) -> None:
    answer = await web.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_page_needs_no_other_host_and_no_inline_code(web: httpx.AsyncClient) -> None:
    for path in ("/", "/assets/page.css", "/assets/page.js"):
        text = (await web.get(path)).text
        assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text) == []
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|\son\w+=|<style|style=", text
        )
    assert re.findall(r"<script(?! src=\"/assets/)", (await web.get("/")).text) == []


async def test_the_feed_says_what_is_new(web: httpx.AsyncClient, sandbox: Sandbox) -> None:
    sandbox.world.ledger.pushes.add(push("a"))
    first = (await web.get("/feed.json")).json()
    assert first["shelves"]["pushes"]["total"] == 1
    assert first["shelves"]["mails"] == {"total": 0, "items": []}
    sandbox.world.ledger.pushes.add(push("b"))
    sandbox.world.ledger.pushes.add(push("c"))
    query = {"epoch": first["epoch"], "pushes": 1}
    new = (await web.get("/feed.json", params=query)).json()["shelves"]["pushes"]
    assert [(entry["number"], entry["item"]["token"]) for entry in new["items"]] == [(3, "c"), (2, "b")]
    query["pushes"] = 3
    assert (await web.get("/feed.json", params=query)).json()["shelves"]["pushes"] == {"total": 3, "items": []}


async def test_after_a_reset_the_feed_begins_anew(web: httpx.AsyncClient, sandbox: Sandbox) -> None:
    sandbox.world.ledger.pushes.add(push("a"))
    epoch = (await web.get("/feed.json")).json()["epoch"]
    sandbox.world.reset()
    sandbox.world.ledger.pushes.add(push("b"))
    feed = (await web.get("/feed.json", params={"epoch": epoch, "pushes": 1})).json()
    assert feed["epoch"] != epoch
    assert [entry["item"]["token"] for entry in feed["shelves"]["pushes"]["items"]] == ["b"]


@pytest.mark.parametrize("number", ["-1", "x", "1e3", "9" * 40, "", "²"])
async def test_odd_numbers(web: httpx.AsyncClient, sandbox: Sandbox, number: str) -> None:
    sandbox.world.ledger.pushes.add(push("a"))
    query = {"epoch": sandbox.world.ledger.epoch, "pushes": number}
    answer = await web.get("/feed.json", params=query)
    assert answer.status_code == 200
    assert len(answer.json()["shelves"]["pushes"]["items"]) == 1


async def test_a_mails_html_is_locked_in(web: httpx.AsyncClient, sandbox: Sandbox) -> None:
    sandbox.world.ledger.mails.add(Mail("ana@example.com", "a", "b", f"<p>hi</p>{EVIL}", now()))
    answer = await web.get("/mails/1")
    assert answer.text == f'<!doctype html><base target="_blank"><p>hi</p>{EVIL}'
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'")
    assert "script" not in policy
    sandbox.world.ledger.mails.add(Mail("ana@example.com", "a", "only text", "", now()))
    for number in (0, 2, 3, 999):
        assert (await web.get(f"/mails/{number}")).status_code == 404


def test_shelves_let_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "KEPT_ITEMS", 3)
    shelf: Shelf[str] = Shelf()
    for item in "abcde":
        shelf.add(item)
    assert list(shelf.newest_first()) == ["e", "d", "c"]
    assert shelf.after(0, 10) == [(5, "e"), (4, "d"), (3, "c")]
    assert shelf.after(3, 1) == [(5, "e")]
    assert shelf.after(5, 10) == shelf.after(9, 10) == []
    assert [shelf.get(number) for number in (0, 2, 3, 5, 6)] == [None, None, "c", "e", None]
