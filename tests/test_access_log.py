"""The access line is written by hand: it must be what the logs' machinery would have written."""

import io
import json

import pytest
import structlog

from app.logs import MASK, access_log, configure_logs

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
AWKWARD = 'a"b\\c\n\x1b\x9b\u2028\ud800ñ'
# A query string is bytes, read as they are.
ODD_BYTES = 'a"b\\c\n\x1b\x9bñ'


@pytest.mark.parametrize("query", ["", "page=2", f"x={TOKEN}", ODD_BYTES])
@pytest.mark.parametrize("path", ["/api/products/", f"/api/{TOKEN}/", AWKWARD])
def test_the_line_is_the_machinerys(capsys: pytest.CaptureFixture[str], path: str, query: str) -> None:
    structlog.reset_defaults()
    configure_logs("info")
    structlog.contextvars.bind_contextvars(request_id="log-test-1")
    structlog.get_logger("app.access").info("request", method="GET", path=path, query=query or None, status=200, ms=1.5)
    access_log.write(
        request_id="log-test-1", method="GET", path=path, query=query.encode("latin-1"), status=200, seconds=0.0015
    )
    structlog.contextvars.clear_contextvars()
    configure_logs("critical")
    theirs, ours = capsys.readouterr().out.splitlines()
    assert ours.partition(', "timestamp"')[0] == theirs.partition(', "timestamp"')[0]
    assert len(ours) == len(theirs)
    assert TOKEN not in ours


def test_a_request_id_that_is_a_token_is_masked(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info")
    access_log.write(request_id=TOKEN, method="GET", path="/", query=b"", status=200, seconds=0)
    configure_logs("critical")
    assert json.loads(capsys.readouterr().out)["request_id"] == MASK


def test_nothing_is_written_above_its_level(monkeypatch: pytest.MonkeyPatch) -> None:
    configure_logs("warning")
    monkeypatch.setattr(access_log, "stream", out := io.StringIO())
    access_log.write(request_id="log-test-1", method="GET", path="/", query=b"", status=500, seconds=0)
    configure_logs("critical")
    assert out.getvalue() == ""
