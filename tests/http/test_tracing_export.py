"""Spans as a collector gets them: OTLP over HTTP from a real process, the last ones at its end too."""

import gzip
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.conftest import ROOT, SECRET
from tests.races.servers import environment, mortal_process

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector:
    """What a collector was sent."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.raw = b""
        self.requests: list[ExportTraceServiceRequest] = []

    def take(self, path: str, kind: str, body: bytes) -> None:
        assert kind == "application/x-protobuf"
        self.paths.append(path)
        self.raw += body
        self.requests.append(ExportTraceServiceRequest.FromString(body))

    @property
    def services(self) -> set[str]:
        return {
            attribute.value.string_value
            for request in self.requests
            for each in request.resource_spans
            for attribute in each.resource.attributes
            if attribute.key == "service.name"
        }

    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for each in request.resource_spans
            for scope in each.scope_spans
            for span in scope.spans
        ]


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    """A collector and its address."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.take(self.path, self.headers["Content-Type"], body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def values(span: Span) -> dict[str, str | int]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


@pytest.mark.usefixtures("_clean")
async def test_a_collector_gets_every_request_of_a_process(database_url: str, tmp_path: Path) -> None:
    """The process ends at once by a signal: what had not been sent yet comes before it ends."""
    with collecting() as (collector, address):
        environ = environment(database_url, SECRET, tmp_path)
        environ |= {"OTEL_EXPORTER_OTLP_ENDPOINT": f"{address}/", "OTEL_SERVICE_NAME": "tienda"}
        async with mortal_process(environ, tmp_path / "api.log") as (process, (client, *_)):
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Api-Key": "secret-header"}
            answer = await client.get("/api/categories/999999999/?token=secret-query", headers=headers)
            assert answer.status_code == 404
            await client.get("/api/nothing/secret-path/")
        assert process.returncode is not None
    assert set(collector.paths) == {"/v1/traces"}
    assert collector.services == {"tienda"}
    found = {span.name: span for span in collector.spans()}
    span = found["GET /api/categories/{id}"]
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.kind) == (TRACE, PARENT, Span.SPAN_KIND_SERVER)
    assert values(span) == {
        "http.request.method": "GET", "http.route": "/api/categories/{id}", "http.response.status_code": 404,
    }  # fmt: skip
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 10**10
    assert values(found["GET"]) == {"http.request.method": "GET", "http.response.status_code": 404}
    assert found["GET"].parent_span_id == b""
    assert {each.status.code for each in found.values()} == {Status.STATUS_CODE_UNSET}
    assert b"secret" not in collector.raw
    assert (tmp_path / "api.log").read_text(encoding="utf-8") == ""


@pytest.mark.usefixtures("_clean")
async def test_a_collector_that_never_answers_holds_nothing_up(database_url: str, tmp_path: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(8)
        environ = environment(database_url, SECRET, tmp_path)
        environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://{}:{}".format(*deaf.getsockname())
        async with mortal_process(environ, tmp_path / "api.log") as (_, (client, *_)):
            for _ in range(3):
                assert (await client.get("/livez")).status_code == 200
            begun = time.monotonic()
        assert time.monotonic() - begun < 8


def test_without_a_collector_nothing_of_it_is_loaded() -> None:
    program = (
        "import sys; from app.server import create_app; from app.settings import load_settings; "
        "create_app(load_settings({'DATABASE_URL': 'postgresql://nobody@127.0.0.1:1/none', 'SECRET_KEY': 's' * 32}));"
        # Names of attributes alone are the framework's.
        "parts = tuple(f'opentelemetry.{part}' for part in ('sdk', 'trace', 'exporter', 'proto'));"
        "print(sorted(name for name in sys.modules if name.startswith(parts)))"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL")}
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program],
        env=environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
