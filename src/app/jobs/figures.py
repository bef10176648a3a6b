"""`/metrics` of a worker, at a port of its own: for workers that share no folder with the API, as in Kubernetes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from prometheus_client import CONTENT_TYPE_LATEST

from app.environment import SettingsError
from app.metrics import exposition, may_read
from app.settings import Settings

SLOW_SECONDS = 5.0


@contextmanager
def exposed(settings: Settings) -> Iterator[None]:
    """Answers as long as it lasts, by a thread: what is asked of a busy worker is told too. Nothing without a port.

    Without METRICS_TOKEN nobody from elsewhere may read, so that nobody from elsewhere is listened to. Raises
    SettingsError when the port cannot be had.
    """
    port = settings.worker_metrics_port
    if not port:
        yield
        return
    try:
        server = _Server(("0.0.0.0" if settings.metrics_token else "127.0.0.1", port), _Door)  # noqa: S104 - with a token
    except OSError as error:
        raise SettingsError(f"WORKER_METRICS_PORT: {port} cannot be listened at: {error.strerror}") from error
    server.token = settings.metrics_token
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(HTTPServer):
    """One caller after the other: who asks is Prometheus, and many at once must not become many threads."""

    token = ""


class _Door(BaseHTTPRequestHandler):
    timeout = SLOW_SECONDS

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self._answer(404, b"")
        elif not may_read(self.client_address[0], self.headers, self._token()):
            self._answer(401, b"")
        else:
            self._answer(200, exposition([]))

    def log_message(self, *_: object) -> None:
        """Its lines would stand between the jobs'."""

    def _token(self) -> str:
        return self.server.token if isinstance(self.server, _Server) else ""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", CONTENT_TYPE_LATEST)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
