"""OpenTelemetry: a span for each request and each run of a job, where the settings name a collector.

Nothing is imported otherwise. A request's span says method, route and status, a job's its name and how it ended. Paths,
queries, headers, arguments and what errors say stay here: they may carry what is nobody else's.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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
# What an error says stays in our own log.
_SILENT = {"record_exception": False, "set_status_on_exception": False}


@dataclass(frozen=True)
class Tracing:
    """What the library is to us. `end` sends the spans that wait, however long that takes."""

    tracer: Any
    trace: Any
    extract: Callable[[dict[str, str]], Any]
    end: Callable[[], None]


def open_tracing(settings: Settings) -> Tracing | None:
    """None without a collector. Raises SettingsError where one is named without the library."""
    if not settings.otel_exporter_otlp_endpoint:
        return None
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
    return Tracing(provider.get_tracer("relampago", VERSION), trace, propagate.extract, provider.shutdown)


def traced(inner: Inner, settings: Settings) -> Inner:
    """The application in spans, or as it is. Raises SettingsError where a collector is named without the library."""
    tracing = open_tracing(settings)
    return inner if tracing is None else Traced(inner, tracing)


async def end_traces(inner: Inner) -> None:
    """As `end_tracing`, of an application that `traced` has wrapped."""
    await end_tracing(inner.tracing if isinstance(inner, Traced) else None)


async def end_tracing(tracing: Tracing | None) -> None:
    """Sends the spans that wait, if the collector takes them within a moment. A server that ends by a signal runs no
    handler of its exit.
    """
    if tracing is None:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def end() -> None:
        tracing.end()
        with suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=end, daemon=True).start()
    with suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), END_SECONDS)


@contextmanager
def job_span(tracing: Tracing | None, name: str, job_id: int, attempt: int) -> Iterator[None]:
    """A run of a job as a trace of its own; what it raises makes it an error, by the error's name."""
    if tracing is None:
        yield
        return
    attributes = {"relampago.job.id": job_id, "relampago.job.attempt": attempt}
    kind = tracing.trace.SpanKind.CONSUMER
    with tracing.tracer.start_as_current_span(name, kind=kind, attributes=attributes, **_SILENT) as span:
        try:
            yield
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(tracing.trace.StatusCode.ERROR)
            raise


class Traced:
    """Wraps the application. A caller's own trace goes on in ours (`traceparent`)."""

    def __init__(self, inner: Inner, tracing: Tracing) -> None:
        self.inner, self.tracing = inner, tracing

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        method = scope["method"]
        begin, context = self.tracing.tracer.start_as_current_span, self.tracing.extract(carrier)
        with begin(method, context=context, kind=self.tracing.trace.SpanKind.SERVER, **_SILENT) as span:
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
            span.set_status(self.tracing.trace.StatusCode.ERROR)
