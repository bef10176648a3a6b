"""The page for people: what the stand-ins did, as it happens."""

from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException

from sandbox.ledger import Shelf
from sandbox.world import World

ASSETS = Path(__file__).parent / "assets"
SHOWN = 200
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A mail may bring anything: nothing of it runs, and nothing is fetched for it. Links open beside the page.
MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def _asset(name: str, media_type: str, policy: str = POLICY) -> Response[bytes]:
    return _answer((ASSETS / name).read_bytes(), media_type, policy)


def _answer(content: bytes, media_type: str, policy: str) -> Response[bytes]:
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    return Response(content, media_type=media_type, headers=headers)


@get("/", sync_to_thread=False)
def show() -> Response[bytes]:
    return _asset("page.html", "text/html")


@get("/assets/page.css", sync_to_thread=False)
def style() -> Response[bytes]:
    return _asset("page.css", "text/css")


@get("/assets/checkout.css", sync_to_thread=False)
def checkout_style() -> Response[bytes]:
    return _asset("checkout.css", "text/css")


@get("/assets/page.js", sync_to_thread=False)
def script() -> Response[bytes]:
    return _asset("page.js", "text/javascript")


@get("/assets/icon.svg", sync_to_thread=False)
def icon() -> Response[bytes]:
    return _asset("icon.svg", "image/svg+xml")


@get("/feed.json")
async def feed(request: Request[Any, Any, Any], world: World) -> dict[str, Any]:
    """What is new on every shelf beyond the number that the page has of it; all that is shown, in another epoch."""
    ledger, known = world.ledger, request.query_params
    same = known.get("epoch") == ledger.epoch
    return {
        "epoch": ledger.epoch,
        "requests": len(ledger.requests),
        "faults": world.faults.waiting(),
        "sheet": sum(tab.version for file in world.sheets.files.values() for tab in file.tabs.values()),
        "shelves": {
            name: {"total": shelf.total, "items": _numbered(shelf, _number(known.get(name)) if same else 0)}
            for name, shelf in ledger.shelves.items()
        },
    }


def _numbered(shelf: Shelf[Any], after: int) -> list[dict[str, Any]]:
    return [{"number": number, "item": item} for number, item in shelf.after(after, SHOWN)]


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 16 else 0


@get("/mails/{number:int}")
async def mail(world: World, number: int) -> Response[bytes]:
    """A mail's HTML, for a frame; its links open beside the page."""
    found = world.ledger.mails.get(number)
    if found is None or not found.html:
        raise NotFoundException
    return _answer(b'<!doctype html><base target="_blank">' + found.html.encode(), "text/html", MAIL_POLICY)
