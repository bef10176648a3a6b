"""Lanes: who has a place, who waits, who is refused at once, and that nobody keeps anybody else's place."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from app.http.admission import REST_SECONDS, SENDING_SECONDS, Admission, Full, Lane, Sizes, Turn
from app.server import Relampago
from app.settings import Settings

WAITING = 0.05


async def started(lane: Lane) -> asyncio.Task[None]:
    """Somebody who waits in it."""
    task = asyncio.create_task(lane.enter())
    await asyncio.sleep(0)
    return task


async def test_places_are_handed_on_in_order() -> None:
    lane = Lane(1, patience=5)
    await lane.enter()
    first, second = await started(lane), await started(lane)
    assert (lane.running, lane.waiting) == (1, 2)
    lane.leave()
    await first
    assert (lane.running, lane.waiting, second.done()) == (1, 1, False)
    lane.leave()
    await second
    lane.leave()
    assert (lane.running, lane.waiting) == (0, 0)


async def test_patience_ends() -> None:
    lane = Lane(1, patience=WAITING)
    await lane.enter()
    with pytest.raises(Full):
        await lane.enter()
    assert (lane.running, lane.waiting) == (1, 0)
    lane.leave()
    await lane.enter()


async def test_who_goes_away_leaves_no_trace() -> None:
    lane = Lane(1, patience=5)
    await lane.enter()
    gone, stays = await started(lane), await started(lane)
    gone.cancel()
    await asyncio.wait({gone})
    assert lane.waiting == 1
    lane.leave()
    await stays
    # A place that comes as its owner goes away is handed on.
    leaving = await started(lane)
    lane.leave()
    leaving.cancel()
    await asyncio.wait({leaving})
    assert (lane.running, lane.waiting) == (0, 0)


async def test_a_place_passes_by_who_is_just_going_away() -> None:
    lane = Lane(1, patience=5)
    await lane.enter()
    gone, stays = await started(lane), await started(lane)
    gone.cancel()
    lane.leave()
    await stays
    await asyncio.wait({gone})
    assert gone.cancelled()
    assert (lane.running, lane.waiting) == (1, 0)


async def test_by_its_pace_it_refuses_at_once() -> None:
    lane = Lane(1, patience=WAITING)
    await lane.enter()
    first, second = await started(lane), await started(lane)
    lane.leave()
    await asyncio.sleep(WAITING / 2)
    lane.leave()
    await asyncio.gather(first, second)
    assert lane.expected >= WAITING / 2
    third = await started(lane)
    lane.leave()
    await third
    # It takes half of the patience a place: who comes third would wait too long, and is told so before it waits.
    lane._pace = WAITING * 0.6
    waiting = await started(lane)
    assert lane.expected == pytest.approx(WAITING * 1.2)
    with pytest.raises(Full):
        lane.enter().send(None)
    lane.leave()
    await waiting


async def test_a_slow_moment_passes() -> None:
    """Somebody may always wait and so measure the pace, however slow it has been."""
    lane = Lane(1, patience=5)
    lane._pace = 60.0
    await lane.enter()
    for _ in range(200):
        waiting = await started(lane)
        assert lane.waiting == 1
        lane.leave()
        await waiting
    assert lane.expected < lane.patience
    assert (lane.running, lane.waiting) == (1, 0)


async def test_a_rush_is_waited_out_and_a_crowd_that_stays_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("app.http.admission.time", SimpleNamespace(monotonic=lambda: now))
    lane = Lane(1, patience=0.4, standing=0.05)
    lane._pace = 0.03
    await lane.enter()
    waiting = await started(lane)
    # Who comes now would wait longer than a standing queue is, and not longer than a rush lasts.
    assert lane.expected == pytest.approx(0.06)
    for _ in range(10):
        assert not lane.turns_away()
        now += REST_SECONDS * 0.81
    assert lane.turns_away()
    with pytest.raises(Full):
        lane.enter().send(None)
    # For a moment nobody came: that is over, and the next rush is waited out again.
    now += REST_SECONDS * 1.1
    assert not lane.turns_away()
    lane.leave()
    await waiting
    assert (lane.running, lane.waiting) == (1, 0)


async def test_who_sends_slowly_makes_room() -> None:
    lane, sent = Lane(1, patience=5), asyncio.Event()

    async def receive() -> Any:
        await sent.wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: Any) -> None:
        raise AssertionError

    await lane.enter()
    reading = asyncio.create_task(Turn(lane, receive, send).receive())
    other = await started(lane)
    await asyncio.sleep(SENDING_SECONDS * 2)
    assert other.done()
    sent.set()
    await reading
    # Both have something to do now; only then the next one gets a place.
    assert lane.running == 2
    late = await started(lane)
    lane.leave()
    assert (lane.running, late.done()) == (1, False)
    lane.leave()
    await late
    assert lane.running == 1


async def test_a_place_that_was_handed_on_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who makes room and comes back late ends twice, and gives one place to those who wait."""
    now = 100.0
    monkeypatch.setattr("app.http.admission.time", SimpleNamespace(monotonic=lambda: now))
    lane = Lane(1, patience=60)
    await lane.enter()
    waiting = [await started(lane) for _ in range(4)]
    for number in range(2):
        now += 1.0
        lane.leave()
        await waiting[number]
    assert lane.expected == pytest.approx(3.0)
    lane.return_late()
    lane.leave()
    assert (lane.running, lane.waiting) == (1, 2)
    assert lane.expected == pytest.approx(3.0)
    for task in waiting[2:]:
        task.cancel()
    await asyncio.wait(waiting)


@pytest.mark.parametrize(
    ("method", "path", "lane"),
    [
        ("POST", "/api/payments/", "first"),
        ("POST", "/api/payments/webhook/", "first"),
        ("PUT", "/cart/checkout", "first"),
        ("PUT", "/cart/cancel", "first"),
        ("PUT", "/api/cart/checkout", "first"),
        ("PUT", "/api/cart/cancel", "first"),
        ("POST", "/api/payments", "first"),
        ("POST", "/cart/reserve", "claims"),
        ("POST", "/api/cart/reserve", "claims"),
        ("POST", "/api/cart/reserve/", "claims"),
        ("POST", "/api/payments/create/", "providers"),
        ("POST", "/api/orders/", "changes"),
        ("DELETE", "/api/products/1/", "changes"),
        ("GET", "/api/products/", "views"),
        ("GET", "/api/payments/status/1/", "views"),
        ("GET", "/api/payments/update-dollar-rate/", "providers"),
        ("GET", "/api/products/sync/validate/", "providers"),
        ("GET", "/api/products/sync/status/", "views"),
        ("GET", "/api/statistics/analytics/", "reports"),
        ("GET", "/api/statistics/users/", "reports"),
        ("GET", "/api/orders/statistics/", "reports"),
        ("HEAD", "/api/orders/abandoned_statistics/", "reports"),
        ("GET", "/api/orders/abandoned-carts/statistics/", "reports"),
        ("HEAD", "/no/such/path", "views"),
    ],
)
def test_the_lane_of_a_request(method: str, path: str, lane: str) -> None:
    admission = Admission()
    assert admission.lane_of({"method": method, "path": path}) is getattr(admission, lane)  # type: ignore[typeddict-item]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/api/health/", "/api/health"])
def test_probes_need_no_place(path: str) -> None:
    assert Admission().lane_of({"method": "GET", "path": path}) is None  # type: ignore[typeddict-item]


@pytest.fixture
async def full(app: Relampago, monkeypatch: pytest.MonkeyPatch) -> Lane:
    """No place to look at anything."""
    lane = Lane(1, patience=0.0)
    await lane.enter()
    monkeypatch.setattr(app.edge.admission, "views", lane)
    return lane


async def test_who_is_refused_is_told_when_to_come_again(client: httpx.AsyncClient, full: Lane) -> None:
    answer = await client.get("/api/categories/")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() == {"detail": "Too many requests at this moment, try again later.", "code": "busy"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    full.leave()
    assert (await client.get("/api/categories/")).status_code == 200
    assert full.running == 0


async def test_a_script_can_read_the_refusal(client: httpx.AsyncClient, full: Lane) -> None:
    """And its browser is told that it may ask, whoever looks at what."""
    origin = {"Origin": "https://shop.example.com"}
    asking = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    assert (await client.options("/cart/reserve", headers=asking)).status_code == 204
    assert (await client.options("/cart/reserve")).status_code == 200
    assert full.waiting == 0
    answer = await client.get("/api/categories/", headers=origin)
    assert answer.status_code == 503
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Retry-After" in answer.headers["access-control-expose-headers"]


async def test_others_and_probes_are_not_kept_waiting(client: httpx.AsyncClient, full: Lane) -> None:
    assert (await client.get("/livez")).status_code == 200
    assert (await client.post("/api/payments/", json={})).status_code == 401
    assert (await client.put("/cart/checkout", json={})).status_code == 401


async def test_a_crash_gives_its_place_back(
    app: Relampago, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(app.edge, "inner", crash)
    assert (await client.get("/api/categories/")).status_code == 500
    assert app.edge.admission.views.running == 0


def test_one_looks_at_a_time_for_each_connection_to_the_database(app: Relampago, settings: Settings) -> None:
    """More would wait for a connection, before buyers who come after them."""
    assert app.edge.admission.views.places == settings.db_pool_size
    assert Admission(Sizes.beside(3)).views.places == 3
    assert Sizes.beside(Sizes().views[0]) == Sizes()


async def test_who_takes_a_picture_slowly_makes_room(app: Relampago, settings: Settings) -> None:
    picture = Path(settings.media_root) / "products" / f"{'ab' * 16}.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(b"x" * 100_000)
    views, taken, sent = app.edge.admission.views, asyncio.Event(), list[Any]()

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)
        if message.get("body"):
            await taken.wait()

    scope = {"type": "http", "method": "GET", "path": f"/media/products/{picture.name}", "query_string": b""}
    server = {"http_version": "1.1", "scheme": "http", "root_path": "", "server": ("shop.test", 80), "client": None}
    answer = asyncio.create_task(app({**scope, **server, "headers": []}, receive, send))  # type: ignore[arg-type]
    try:
        await asyncio.sleep(SENDING_SECONDS * 3)
        assert (sent[0]["status"], views.running) == (200, 0)
        taken.set()
        await answer
        assert (sum(len(message.get("body", b"")) for message in sent), views.running) == (100_000, 0)
    finally:
        answer.cancel()
        picture.unlink()
