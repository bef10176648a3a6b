"""OpenTelemetry: a span for each request, where the settings name a collector; nothing is imported otherwise.

A span says method, route and status. Paths, queries and headers stay here: they may carry what is nobody else's.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

from litestar.types import Receive, Scope, Send

from app import VERSION
from app.environment import SettingsError
from app.settings import Settings

Inner = Callable[[Scope, Receive, Send], Awaitable[None]]
MISSING = "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed: pip install 'relampago[otel]'"
_SERVER_ERROR = 500
END_SECONDS = 2.0


def traced(inner: Inner, settings: Settings) -> Inner:
    """The application in spans, or as it is. Raises SettingsError where a collector is named without the library."""
    if not settings.otel_exporter_otlp_endpoint:
        return inner
    try:
        trace, sdk, export = (
            import_module(f"opentelemetry.{name}") for name in ("trace", "sdk.trace", "sdk.trace.export")
        )
        otlp = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        resources = import_module("opentelemetry.sdk.resources")
        propagate = import_module("opentelemetry.propagate")
    except ImportError as error:
        raise SettingsError(MISSING) from error
    names = {"service.name": settings.otel_service_name, "service.version": VERSION}
    provider = sdk.TracerProvider(resource=resources.Resource.create(names), shutdown_on_exit=False)
    exporter = otlp.OTLPSpanExporter(endpoint=f"{settings.otel_exporter_otlp_endpoint}/v1/traces")
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    return Traced(inner, provider.get_tracer("relampago", VERSION), trace, propagate.extract, provider.shutdown)


async def end_traces(inner: Inner) -> None:
    """Sends the spans that wait, if the collector takes them within a moment. A server that ends by a signal runs no
    handler of its exit.
    """
    if not isinstance(inner, Traced):
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def end() -> None:
        inner.end()
        with suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=end, daemon=True).start()
    with suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), END_SECONDS)


class Traced:
    """Wraps the application. A caller's own trace goes on in ours (`traceparent`)."""

    def __init__(
        self,
        inner: Inner,
        tracer: Any,
        trace: Any,
        extract: Callable[[dict[str, str]], Any],
        end: Callable[[], None] = lambda: None,
    ) -> None:
        self.inner, self.tracer, self.trace, self.extract = inner, tracer, trace, extract
        self.end = end

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        method = scope["method"]
        options = {"kind": self.trace.SpanKind.SERVER, "record_exception": False, "set_status_on_exception": False}
        with self.tracer.start_as_current_span(method, context=self.extract(carrier), **options) as span:
            span.set_attribute("http.request.method", method)

            async def send_noting(message: Any) -> None:
                if message["type"] == "http.response.start":
                    self._note(span, message["status"])
                await send(message)

            try:
                await self.inner(scope, receive, send_noting)
            except Exception:
                self._note(span, _SERVER_ERROR)
                raise
            finally:
                if route := scope.get("path_template"):
                    span.update_name(f"{method} {route}")
                    span.set_attribute("http.route", route)

    def _note(self, span: Any, status: int) -> None:
        span.set_attribute("http.response.status_code", status)
        if status >= _SERVER_ERROR:
            span.set_status(self.trace.StatusCode.ERROR)
