"""Logs: one JSON object a line, and no secret in any of them."""

import json
import logging
from functools import cache
from typing import Any

import httpx
import pytest
import structlog
import uvicorn

from app.logs import MASK, configure_logs, mask
from app.server import Relampago
from tests.http.conftest import client_of, offline

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        ({"password": "x", "new_password2": "y", "event": "z"}, {"password": MASK, "new_password2": MASK,
        "event": "z"}),
        ({"Authorization": "Basic abc", "api_key": "k"}, {"Authorization": MASK, "api_key": MASK}),
        ({"token": None, "refresh_token": "r"}, {"token": None, "refresh_token": MASK}),
        ({"event": f"got {TOKEN}!"}, {"event": f"got {MASK}!"}),
        # Glued to other characters of its run, after a token's half, and after a card's number.
        ({"event": f"id-{TOKEN}/eyJ0.eyJ1.{TOKEN}"}, {"event": f"id-{MASK}/eyJ0.eyJ1.{MASK}"}),
        ({"event": f"4509 9535 6623 3704-{TOKEN} 4509953566233704-{TOKEN}"},
         {"event": f"{MASK}-{MASK} {MASK}-{MASK}"}),
        ({"event": f"{TOKEN}.Bearer abcdef123456 {TOKEN}bearer"}, {"event": f"{MASK}.{MASK} {MASK}"}),
        ({"event": "header Bearer abcdef123456 seen"}, {"event": f"header {MASK} seen"}),
        ({"data": {"user": "ana", "password": "x", "deep": [{"code": "123456"}]}},
         {"data": {"user": "ana", "password": MASK, "deep": [{"code": MASK}]}}),
        ({"query": "q=5031%207557%203453%200604&a=4509953566233704."}, {"query": f"q={MASK}&a={MASK}."}),
        ({"id": "6f1c2b34-4444-4444-8444-444444444444"}, {"id": "6f1c2b34-4444-4444-8444-444444444444"}),
        ({"ts": "1763772000000"}, {"ts": "1763772000000"}),
        ({"list": [TOKEN, 5, (TOKEN,)]}, {"list": [MASK, 5, [MASK]]}),
    ],
)  # fmt: skip
def test_secrets_are_masked(event: dict[str, Any], shown: dict[str, Any]) -> None:
    assert mask(None, "", event) == shown


@cache
def application() -> Relampago:
    return offline()


async def lines_of(capsys: pytest.CaptureFixture[str], path: str, **headers: str) -> list[dict[str, Any]]:
    """What the application writes while it answers one request."""
    app = application()
    structlog.reset_defaults()
    configure_logs("info")
    capsys.readouterr()
    try:
        async with client_of(app) as http:
            await http.get(path, headers=headers)
    except httpx.InvalidURL:
        pytest.fail("the test's own address is bad")
    finally:
        configure_logs("critical")
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_a_request_is_one_line_with_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = await lines_of(capsys, "/api/nothing/?page=2", **{"X-Request-Id": "log-test-1"})
    assert (line["method"], line["path"], line["query"], line["status"]) == ("GET", "/api/nothing/", "page=2", 404)
    assert (line["request_id"], line["level"], line["event"]) == ("log-test-1", "info", "request")
    assert line["ms"] >= 0


def test_the_server_writes_such_lines_too(capsys: pytest.CaptureFixture[str]) -> None:
    """uvicorn sets up its own before it loads the application, and speaks of its start and of crashes there."""
    uvicorn.Config("app.server:create_app", log_level="info")
    configure_logs("info")
    try:
        logging.getLogger("uvicorn.error").info("Started server process [%d]", 5, extra={"color_message": "x"})
        logging.getLogger("uvicorn.error").error("Exception in ASGI application", exc_info=ValueError(f"got {TOKEN}"))
    finally:
        configure_logs("critical")
    started, crashed = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (started["event"], started["level"]) == ("Started server process [5]", "info")
    assert (crashed["event"], crashed["logger"]) == ("Exception in ASGI application", "uvicorn.error")
    assert crashed["exception"].endswith(f"ValueError: got {MASK}")


async def test_probes_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    assert await lines_of(capsys, "/livez") == []


@pytest.mark.parametrize(
    "path",
    [
        f"/api/{TOKEN}/", f"/api/nothing/?token={TOKEN}", f"/api/nothing/?x={TOKEN}",
        "/api/nothing/?api_key=s3cret-value",
        "/api/nothing/?api%5Fkey=s3cret-value", "/api/nothing/?%70assword=s3cret-value",
    ],
)  # fmt: skip
async def test_no_secret_of_an_address_is_logged(capsys: pytest.CaptureFixture[str], path: str) -> None:
    lines = await lines_of(
        capsys, path, authorization=f"Bearer {TOKEN}", **{"User-Agent": TOKEN, "Cookie": "a=s3cret-value"}
    )
    assert lines
    assert TOKEN not in json.dumps(lines)
    assert "s3cret-value" not in json.dumps(lines)


@pytest.mark.parametrize(
    "path", ["/api/a%0d%0afake: line/", "/api/%1b[31mred/", "/api/%22%7d%0a%7b%22event%22:%22fake/"]
)
async def test_one_request_stays_one_line(capsys: pytest.CaptureFixture[str], path: str) -> None:
    lines = await lines_of(capsys, path, **{"User-Agent": "x\x1b[31m"})
    assert [line["event"] for line in lines] == ["request"]
    assert capsys.readouterr().out.count("\x1b") == 0


async def test_a_crash_is_logged_without_its_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    lines = await lines_of(capsys, "/api/probe/crash")
    assert [line["event"] for line in lines] == ["unhandled", "request"]
    assert "RuntimeError" in lines[0]["exception"]
    assert lines[0]["request_id"] == lines[1]["request_id"]
    assert "eyJhbGciOiJIUzI1NiJ9" not in json.dumps(lines)


def test_libraries_write_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")
    logging.getLogger("some.library").warning("signed in with %s\nand more", f"Bearer {TOKEN}")
    (line,) = capsys.readouterr().out.splitlines()
    configure_logs("critical")
    found = json.loads(line)
    assert (found["event"], found["logger"]) == (f"signed in with {MASK}\nand more", "some.library")
