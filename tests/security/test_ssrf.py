"""S13: no address that a client names is connected to unless it is allowed, and none is where a browser is sent."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from app.jobs import webhooks as jobs
from app.jobs.work import Work
from app.server import Relampago
from tests.contract import objects_of_orders, objects_of_the_office, objects_of_the_shop  # noqa: F401 - they note rows
from tests.contract.objects import ROWS, Call, World
from tests.security.findings import Findings
from tests.security.payloads import Payload
from tests.security.places import HEADERS, Door, Place, doors, places
from tests.security.sending import JSON, hostile
from tests.security.sockets import PUBLIC, REBINDING, WATCH, Names
from tests.security.test_fuzz import APART

GOAL = "addresses that clients name: no socket outside of the allow-list, no redirect to a stranger"
pytestmark = pytest.mark.shows("S13")
SEED, SAMPLE = 20_261_122, 60
SECRET_PORT = 6379
HOSTS = (
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001",
    "127.0.0.1.", "127.255.255.254", "0.0.0.0", "0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",  # noqa: S104
    "[0:0:0:0:0:ffff:7f00:0001]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1%25eth0]", "[fd00::1]", "[ff02::1]",
    "localhost", "LOCALHOST", "localhost.", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254",
    "2852039166", "0xa9fea9fe", "224.0.0.1", "255.255.255.255", "inside.example", "local.example", "metadata.example",
    "six.example", "mapped.example", "mixed.example",
)  # fmt: skip
FORMS = (
    "https://public.example@127.0.0.1:6379/", "https://127.0.0.1:6379\\@public.example/", "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL", "https://public.example#@127.0.0.1/", "//127.0.0.1:6379/",
    "https://127\u30020\u30020\u30021/", "https://\u2460\u2461\u2466.0.0.1/", "https:127.0.0.1:6379", "unix:/var/run/x",
)  # fmt: skip
URLS = [f"https://{host}:{SECRET_PORT}/" for host in HOSTS] + list(FORMS)
EVIL = "evil.example"


def place_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    made = Names()
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", made.getaddrinfo)
    return made


@pytest.fixture
def ours(mailing: World) -> list[tuple[str, int]]:
    """The database and the providers that the settings name."""
    settings, sandbox = mailing.till.settings, mailing.till.sandbox
    named = {value for name, value in msgspec.structs.asdict(settings).items() if name.endswith("_base_url") and value}
    return [*map(place_of, (settings.database_url, sandbox.url, *named)), ("127.0.0.1", sandbox.smtp_port)]


@pytest.fixture
async def strict(mailing: World, app: Relampago, monkeypatch: pytest.MonkeyPatch) -> World:
    """As in production: receivers are on the internet, and speak TLS."""
    settings = msgspec.structs.replace(app.state.settings, webhook_http=False, webhook_private=False)
    monkeypatch.setitem(app.state._state, "settings", settings)
    mailing.till.settings = settings
    return mailing


async def subscribed(world: World, url: str) -> bool:
    """Whether a receiver's address was taken; if so it has been sent a message."""
    headers, body = world.headers("staff"), {"url": url, "event_types": []}
    made = await world.till.client.post("/api/webhooks/", json=body, headers=headers)
    assert made.status_code in {201, 400}, made.text
    if made.status_code == 400:
        return False
    path = f"/api/webhooks/{made.json()['id']}"
    assert (await world.till.client.post(f"{path}/test/", headers=headers)).status_code == 201
    await jobs.deliver.run(Work(world.till.settings, world.till.sessions))
    assert (await world.till.client.delete(f"{path}/", headers=headers)).status_code == 204
    return True


async def test_receivers_of_webhooks(
    strict: World, ours: list[tuple[str, int]], names: Names, findings: Findings
) -> None:
    assert len(URLS) >= 40
    with WATCH.watching(*ours):
        taken = [url for url in URLS if await subscribed(strict, url)]
        strange = WATCH.strange
    findings.add("S13", GOAL, len(URLS), len(strange), "addresses of receivers")
    assert strange == []
    # Names and unusual spellings are looked up when something is sent, and refused then.
    assert {"https://inside.example:6379/", "https://2130706433:6379/"} <= set(taken)
    assert {"https://127.0.0.1:6379/", "https://[::1]:6379/", FORMS[0]}.isdisjoint(taken)


async def test_a_name_that_changes_its_mind(strict: World, ours: list[tuple[str, int]], names: Names) -> None:
    with WATCH.watching(*ours):
        assert await subscribed(strict, f"https://{REBINDING}:{SECRET_PORT}/")
        # It was looked up once, and that address was connected to.
        assert set(WATCH.strange) == {(PUBLIC, SECRET_PORT)}
    assert names.asked.count(REBINDING) == 1


@asynccontextmanager
async def sending_elsewhere(target: str) -> AsyncIterator[tuple[str, int]]:
    """A receiver that answers every request with a redirect."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[:2]


async def test_a_receiver_that_sends_elsewhere(mailing: World, ours: list[tuple[str, int]]) -> None:
    async with sending_elsewhere(f"http://127.0.0.1:{SECRET_PORT}/") as (host, port):
        with WATCH.watching(*ours, (host, port)):
            assert await subscribed(mailing, f"http://{host}:{port}/hook")
            assert WATCH.strange == []
            assert (host, port) in WATCH.opened


def everywhere(door: Door, chance: random.Random, *, full: bool) -> list[Place]:
    found = [*places(door), *(Place(door, "header", (one,)) for one in HEADERS)]
    return found if full or not found else chance.sample(found, 1)


async def test_addresses_in_every_place(
    mailing: World, ours: list[tuple[str, int]], names: Names, findings: Findings, *, full_rounds: bool
) -> None:
    """Whatever takes a text is given an address, and nothing goes there."""
    chance, strange, tried = random.Random(SEED), [], 0
    chosen = sorted(doors() if full_rounds else chance.sample(doors(), SAMPLE), key=lambda door: door.id in APART)
    with WATCH.watching(*ours):
        for door in chosen:
            make = ROWS[door.id][0][1] if door.id in ROWS else None
            # One of them ends every token of whoever asks.
            await mailing.db.refresh(mailing.staff)
            call = await make(mailing) if make else Call()
            for place in everywhere(door, chance, full=full_rounds):
                url, tried = chance.choice(URLS), tried + 1
                status = await ask(mailing, place, call, url)
                if make and status < 300 and door.method != "GET":
                    call = await make(mailing)
                if WATCH.strange:
                    strange.append((door.id, place.name, url, WATCH.strange))
                    WATCH.opened.clear()
    findings.add("S13", GOAL, tried, len(strange), "places of the API")
    assert strange == []


async def ask(world: World, place: Place, call: Call, url: str) -> int:
    """The status of a request by staff with an address in that place."""
    request = hostile(place, Payload(msgspec.json.encode(url), url.encode()), call, (place.door.media or (JSON,))[0])
    given = {name.lower() for name, _ in request.headers}
    own = [(name.encode(), value.encode()) for name, value in world.headers("staff").items()]
    headers = [pair for pair in own if pair[0].lower() not in given] + request.headers
    answer = await world.till.client.request(request.method, request.url, headers=headers, content=request.content)
    return answer.status_code


def test_a_socket_to_a_stranger_is_seen() -> None:
    with WATCH.watching():
        with pytest.raises(httpx.ConnectError, match="is not to be connected to"):
            httpx.get("http://127.0.0.1:6379/")
        assert WATCH.strange == [("127.0.0.1", 6379)]


def sent_away() -> Iterator[tuple[str, dict[str, str]]]:
    """Addresses and headers by which somebody might be sent to a stranger."""
    for name in (
        "next", "url", "redirect", "redirect_uri", "return", "return_to", "returnUrl", "back_url", "back_urls[success]",
        "callback", "continue", "dest", "target", "goto", "success_url", "notification_url", "preference_id", "page",
    ):  # fmt: skip
        for path in ("/pago/ok", "/api/products/", "/api/docs/"):
            yield f"{path}?{name}=https://{EVIL}/", {}
    for path in (
        "//{}",
        "//{}/%2e%2e",
        "/\\{}",
        "/%5c{}",
        "/%2f%2f{}",
        "///{}/..",
        "/api/products//{}",
        "/.{}",
        "/@{}",
    ):
        yield path.format(EVIL), {}
    for header in (
        "Host", "X-Forwarded-Host", "X-Host", "Forwarded", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Server",
        "Referer", "Origin", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X-HTTP-Host-Override",
    ):  # fmt: skip
        value = f"host={EVIL}" if header == "Forwarded" else EVIL if "Host" in header else f"https://{EVIL}/"
        for path in ("/pago/ok", "/api/products", "/api/docs", "/api/docs/"):
            yield path, {header: value}


async def test_nobody_is_sent_to_a_stranger(mailing: World, findings: Findings) -> None:
    tried = list(sent_away())
    assert len(tried) >= 30
    wrong = []
    for path, headers in tried:
        answer = await mailing.till.client.get(f"http://testserver{path}", headers=headers)
        told = f"{answer.headers.get('location', '')} {answer.headers.get('refresh', '')}"
        shown = answer.text if answer.headers.get("content-type", "").startswith("text/html") else ""
        if EVIL in told or EVIL in shown or answer.status_code >= 500:
            wrong.append((path, headers, answer.status_code, told))
    findings.add("S13", GOAL, len(tried), len(wrong), "redirects")
    assert wrong == []


async def test_links_to_the_shop_are_the_settings(mailing: World) -> None:
    """Ways back from a payment, where it is told of, and links in mails: whatever host was asked."""
    forged = {"Host": EVIL, "X-Forwarded-Host": EVIL, "X-Forwarded-Proto": "gopher", "Referer": f"https://{EVIL}/"}
    counter = mailing.till
    order_id = await counter.order()
    body: dict[str, Any] = {
        "order_id": order_id,
        "back_urls": {"success": f"https://{EVIL}/"},
        "notification_url": EVIL,
    }
    headers = {**forged, **mailing.headers("owner")}
    order = await mailing.order()
    answer = await counter.client.post("/api/payments/create/", json=body | {"order_id": order}, headers=headers)
    assert answer.status_code == 200, answer.text
    reset = {"email": mailing.owner.email}
    assert (
        await counter.client.post("/api/auth/request-password-reset/", json=reset, headers=forged)
    ).status_code == 200
    asked = [one.body.decode() for one in counter.sandbox.world.ledger.requests if one.provider == "mercadopago"]
    assert any("back_urls" in one for one in asked)
    assert not any(EVIL in one for one in asked)
    rows = await counter.rows("SELECT args::text FROM procrastinate_jobs UNION ALL SELECT m::text FROM mail m")
    assert rows
    assert EVIL not in str(rows)


async def test_a_forged_host_stays_in_no_kept_list(mailing: World) -> None:
    await mailing.wares()
    for _ in range(2):
        await mailing.till.client.get("/api/products/?page_size=1", headers={"Host": EVIL})
        honest = await mailing.till.client.get("/api/products/?page_size=1")
        assert honest.status_code == 200
        assert EVIL not in honest.text
