"""Spans: one for each request, where a collector is named; nothing of them that is private."""

import sys
from typing import Any

import httpx
import msgspec
import pytest
from opentelemetry import trace
from opentelemetry.propagate import extract
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.environment import SettingsError
from app.server import create_app
from app.tracing import Traced, Tracing, traced
from tests.http.conftest import client_of, offline

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def spans_of(method: str, path: str, **options: Any) -> tuple[httpx.Response, ReadableSpan]:
    """One request to the application without a database, in spans that are kept."""
    app, kept, provider = offline(), InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    app.edge.inner = Traced(app.edge.inner, Tracing(provider.get_tracer("test"), trace, extract, provider.shutdown))
    async with client_of(app) as http:
        answer = await http.request(method, path, **options)
    (span,) = kept.get_finished_spans()
    return answer, span


async def test_a_span_says_method_route_and_status() -> None:
    secret = {"Authorization": "Bearer secret-token", "traceparent": PARENT}
    answer, span = await spans_of("PUT", "/api/probe/everything/7/?token=secret-code", headers=secret, json={})
    assert answer.status_code == 400
    assert span.name == "PUT /api/probe/everything/{id}"
    assert span.kind is trace.SpanKind.SERVER
    assert dict(span.attributes or {}) == {
        "http.request.method": "PUT", "http.route": "/api/probe/everything/{id}", "http.response.status_code": 400,
    }  # fmt: skip
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}" == PARENT.split("-")[1]
    assert span.status.status_code is trace.StatusCode.UNSET
    assert "secret" not in span.to_json()


async def test_what_no_route_answers_and_what_crashes() -> None:
    answer, span = await spans_of("GET", "/api/nothing/?code=123456")
    assert (answer.status_code, span.name) == (404, "GET")
    answer, span = await spans_of("GET", "/api/probe/crash")
    assert answer.status_code == 500
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.events == ()


def test_without_a_collector_nothing_is_wrapped() -> None:
    assert not isinstance(offline().edge.inner, Traced)


def test_with_a_collector_everything_is() -> None:
    app = offline(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318/", OTEL_SERVICE_NAME="shop")
    assert isinstance(app.edge.inner, Traced)
    assert app.edge.inner.tracing.tracer.resource.attributes["service.name"] == "shop"


def test_a_collector_without_the_library_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = msgspec.structs.replace(offline().state.settings, otel_exporter_otlp_endpoint="http://127.0.0.1:4318")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    for start in (lambda: create_app(settings), lambda: traced(offline().edge.inner, settings)):
        with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_ENDPOINT is set"):
            start()
