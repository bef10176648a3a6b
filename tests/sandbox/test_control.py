"""Faults, the request log and forgetting."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from sandbox.server import Sandbox
from tests.sandbox.test_fcm import PATH

BODY: dict[str, Any] = {"message": {"token": "t", "notification": {"title": "Año", "body": "b"}}}


async def fail(web: httpx.AsyncClient, **fault: Any) -> httpx.Response:
    return await web.post("/__emu__/faults", json={"provider": "fcm", **fault})


async def test_the_next_two_answers_fail(signed_in: httpx.AsyncClient, sandbox: Sandbox) -> None:
    answer = await fail(signed_in, status=503, times=2)
    assert answer.status_code == 200
    assert answer.json() == [{"provider": "fcm", "times": 2, "status": 503, "delay_seconds": 0.0, "drop": False}]
    codes = [(await signed_in.post(PATH, json=BODY)).status_code for _ in range(3)]
    assert codes == [503, 503, 200]
    assert (await signed_in.get("/__emu__/faults")).json() == []
    assert sandbox.world.ledger.pushes.total == 1


async def test_faults_come_in_their_order_and_to_their_provider(signed_in: httpx.AsyncClient) -> None:
    await fail(signed_in, status=500)
    await fail(signed_in, status=429)
    await signed_in.post("/__emu__/faults", json={"provider": "google", "status": 503})
    codes = [(await signed_in.post(PATH, json=BODY)).status_code for _ in range(3)]
    assert codes == [500, 429, 200]
    assert (await signed_in.post("/google/token")).status_code == 503
    assert (await signed_in.post("/google/token")).status_code == 400


async def test_a_late_answer_was_executed_in_time(signed_in: httpx.AsyncClient, sandbox: Sandbox) -> None:
    await fail(signed_in, delay_seconds=0.15)
    begun = time.monotonic()
    sending = asyncio.create_task(signed_in.post(PATH, json=BODY))
    while not sandbox.world.ledger.pushes.total:
        await asyncio.sleep(0.005)
    assert time.monotonic() - begun < 0.15
    assert (await sending).status_code == 200
    assert time.monotonic() - begun >= 0.15


async def test_a_late_error(signed_in: httpx.AsyncClient, sandbox: Sandbox) -> None:
    await fail(signed_in, delay_seconds=0.05, status=500)
    begun = time.monotonic()
    assert (await signed_in.post(PATH, json=BODY)).status_code == 500
    assert time.monotonic() - begun >= 0.05
    assert sandbox.world.ledger.pushes.total == 0


@pytest.mark.parametrize("more", [{}, {"delay_seconds": 0.05}, {"status": 503}])
async def test_a_dropped_connection_after_executing(
    signed_in: httpx.AsyncClient, sandbox: Sandbox, more: dict[str, Any]
) -> None:
    await fail(signed_in, drop=True, **more)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await signed_in.post(PATH, json=BODY)
    assert sandbox.world.ledger.pushes.total == 1
    assert (await signed_in.post(PATH, json=BODY)).status_code == 200


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"provider": "fcm"},
        {"provider": "nobody", "status": 500},
        {"provider": "fcm", "status": 42},
        {"provider": "fcm", "status": 500, "times": 0},
        {"provider": "fcm", "delay_seconds": -1},
        {"provider": "fcm", "staus": 500, "drop": True},
        [],
    ],
)
async def test_faults_that_are_none(web: httpx.AsyncClient, fault: Any) -> None:
    assert (await web.post("/__emu__/faults", json=fault)).status_code == 400
    assert (await web.get("/__emu__/faults")).json() == []


async def test_what_a_fault_does_not_ask_for_may_be_null(web: httpx.AsyncClient) -> None:
    fault = {"provider": "mercadopago", "times": 2, "status": 500, "delay_seconds": None, "drop": None}
    kept = {"provider": "mercadopago", "times": 2, "status": 500, "delay_seconds": 0.0, "drop": False}
    answer = await web.post("/__emu__/faults", json=fault)
    assert (answer.status_code, answer.json()) == (200, [kept])
    assert (await web.post("/__emu__/faults", json=fault | {"status": None})).status_code == 400


async def test_the_request_log_is_newest_first_and_whole(signed_in: httpx.AsyncClient) -> None:
    await signed_in.post(PATH, json=BODY)
    await signed_in.post("/google/token?a=1&b=2", content=b"x=\xff", headers={"X-Trace": "abc"})
    newest, older = (await signed_in.get("/__emu__/requests")).json()
    assert list(newest) == ["provider", "method", "path", "query", "headers", "body", "at"]
    assert (newest["provider"], newest["method"], newest["path"]) == ("google", "POST", "/google/token")
    assert (newest["query"], newest["body"]) == ("a=1&b=2", "x=\ufffd")
    assert newest["headers"]["x-trace"] == "abc"
    assert newest["at"] >= older["at"]
    assert older["headers"]["authorization"] == signed_in.headers["Authorization"]
    assert "Año" in older["body"]
    only = (await signed_in.get("/__emu__/requests?provider=fcm")).json()
    assert [entry["path"] for entry in only] == [PATH]
    assert (await signed_in.get("/__emu__/requests?provider=mercadopago")).json() == []
    assert (await signed_in.get("/__emu__/requests?provider=nobody")).status_code == 400


async def test_pushes_newest_first_and_by_token(signed_in: httpx.AsyncClient) -> None:
    for token in ("a", "b", "a"):
        body = {"message": {"token": token, "data": {"n": token}}}
        assert (await signed_in.post(PATH, json=body)).status_code == 200
    found = (await signed_in.get("/pushes.json")).json()
    assert [push["token"] for push in found] == ["a", "b", "a"]
    assert found[0]["sent_at"] >= found[2]["sent_at"]
    assert (found[0]["title"], found[0]["body"], found[0]["data"]) == ("", "", {"n": "a"})
    assert len((await signed_in.get("/pushes.json", params={"token": "a"})).json()) == 2
    assert (await signed_in.get("/pushes.json", params={"token": "c"})).json() == []


async def test_reset_forgets_everything(signed_in: httpx.AsyncClient) -> None:
    await signed_in.post(PATH, json={"message": {"token": "unavail-1:1"}})
    await signed_in.post(PATH, json=BODY)
    await fail(signed_in, status=500)
    assert (await signed_in.post("/__emu__/reset")).status_code == 200
    for path in ("/pushes.json", "/inbox.json", "/__emu__/requests", "/__emu__/faults"):
        assert (await signed_in.get(path)).json() == []
    assert (await signed_in.post(PATH, json={"message": {"token": "unavail-1:1"}})).status_code == 503
    assert (await signed_in.post(PATH, json=BODY)).status_code == 200


async def test_other_sites_have_no_say(web: httpx.AsyncClient) -> None:
    rebound = await web.get("/pushes.json", headers={"Host": "shop.example.com"})
    assert rebound.status_code == 403
    foreign = await web.post("/__emu__/reset", headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    for host in ("localhost:1234", "127.0.0.1", "[::1]:80"):
        assert (await web.get("/pushes.json", headers={"Host": host})).status_code == 200


async def test_five_hundred_at_once(signed_in: httpx.AsyncClient, sandbox: Sandbox) -> None:
    bodies = [{"message": {"token": f"t{number}"}} for number in range(500)]
    room = asyncio.Semaphore(20)

    async def send(body: dict[str, Any]) -> int:
        async with room:
            return (await signed_in.post(PATH, json=body)).status_code

    assert set(await asyncio.gather(*map(send, bodies))) == {200}
    assert sandbox.world.ledger.pushes.total == 500


async def test_nobody_is_waited_for_who_has_hung_up(signed_in: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """What was asked for is done all the same, and the sandbox can stop at once."""
    await signed_in.post("/__emu__/faults", json={"provider": "fcm", "delay_seconds": 600})
    before = asyncio.all_tasks()
    with pytest.raises(httpx.ReadTimeout):
        await signed_in.post(PATH, json=BODY, timeout=0.3)
    async with asyncio.timeout(5):
        while any("run_asgi" in repr(task) for task in asyncio.all_tasks() - before):
            await asyncio.sleep(0.01)
    assert len(sandbox.world.ledger.requests) == 1
    assert sandbox.world.ledger.pushes.total == 1
