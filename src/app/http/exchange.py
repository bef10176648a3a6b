"""One request and its answer: what every answer is dressed with, the line in the log, and what is counted."""

import random
import re
import time
from typing import Any

import msgspec
from litestar.types import Message, Send

from app.logs import access_log
from app.metrics import REQUESTS

# No secret, and drawn without asking the system each time.
_ids = random.Random()  # noqa: S311
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")
SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
DEFAULT_POLICY = b"default-src 'none'; frame-ancestors 'none'"
HSTS = b"max-age=31536000; includeSubDomains"
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_QUIET = {"/livez", "/readyz", "/api/health/", "/metrics"}


class Exchange:
    """One request and its answer."""

    def __init__(self, scope: Any, send: Send, *, production: bool, last: bool = False) -> None:
        """`last` ends the connection with the answer."""
        self.scope, self._send = scope, send
        self.production, self.last = production, last
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.head = self.method == "HEAD"
        self.status = 0
        self.request_id = self._request_id()
        self._options_start: Message | None = None
        self._started = time.perf_counter()

    def _request_id(self) -> str:
        for name, value in self.scope["headers"]:
            if name == b"x-request-id":
                text = value.decode("latin-1")
                if _SANE_ID.fullmatch(text):
                    return str(text)
        return f"{_ids.getrandbits(128):032x}"

    async def send(self, message: Any) -> None:
        """Passes the answer on, dressed; HEAD keeps the headers and drops the body."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.method == "OPTIONS" and self.status == 204 and not _is_preflight(message):
                self.status = 200
                self._options_start = message
                return
            message["headers"] = self.dressed(message["headers"])
        elif self.method == "OPTIONS" and self.status == 200:
            if self._options_start is not None:
                await self._send_metadata()
            return
        elif self.head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)

    async def answer(self, status: int, body: bytes, *more: tuple[bytes, bytes]) -> None:
        """An answer made here, when the application has none; with `more` headers."""
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *more]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    async def _send_metadata(self) -> None:
        """What DRF answers to OPTIONS: the methods in `Allow`, a description in the body."""
        start: Any = self._options_start
        allow = next((value for name, value in start["headers"] if name == b"allow"), b"OPTIONS").decode("latin-1")
        methods = {method.strip() for method in allow.split(",")}
        if "GET" in methods:
            methods.add("HEAD")
        parts = [part for part in self.path.split("/") if part]
        body = msgspec.json.encode(
            {
                "name": (parts[-1] if parts else "root").replace("-", " ").replace("_", " ").title(),
                "description": "",
                "renders": ["application/json"],
                "parses": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
            }
        )
        kept = [(n, v) for n, v in start["headers"] if n not in (b"allow", b"content-length", b"content-type")]
        kept += [
            (b"allow", ", ".join(sorted(methods)).encode()),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        self._options_start = None
        await self._send({"type": "http.response.start", "status": 200, "headers": self.dressed(kept)})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def dressed(self, headers: Any) -> list[tuple[bytes, bytes]]:
        """An answer's headers with all that every answer has."""
        dressed = [(name.lower(), value) for name, value in headers]
        present = {name for name, _ in dressed}
        if b"allow" in present:
            dressed = [(n, _with_head(v)) if n == b"allow" else (n, v) for n, v in dressed]
        dressed.append((b"x-request-id", self.request_id.encode("latin-1")))
        dressed.extend(pair for pair in SECURITY_HEADERS if pair[0] not in present)
        if b"content-security-policy" not in present:
            dressed.append((b"content-security-policy", DEFAULT_POLICY))
        if b"cache-control" not in present and self._authenticated():
            dressed.append((b"cache-control", b"no-store"))
        if self.last:
            dressed.append((b"connection", b"close"))
        if self.production:
            dressed.append((b"strict-transport-security", HSTS))
        return dressed

    def _authenticated(self) -> bool:
        return any(name == b"authorization" for name, _ in self.scope["headers"])

    def count(self, route: str) -> None:
        """Under the path's pattern; whatever clients make up is one route."""
        labels = (_known(self.method), route or "none", str(self.status))
        REQUESTS.labels(*labels).observe(time.perf_counter() - self._started)

    def log(self) -> None:
        """One line a request; secrets in the query are masked, the health probes are left out."""
        if self.path in _QUIET and self.status < 400:
            return
        access_log.write(
            request_id=self.request_id,
            method=self.method,
            path=self.path,
            query=self.scope.get("query_string", b""),
            status=self.status,
            seconds=time.perf_counter() - self._started,
        )


def _known(method: str) -> str:
    return method if method in _METHODS else "other"


def _is_preflight(message: Any) -> bool:
    return any(name.lower() == b"access-control-allow-methods" for name, _ in message["headers"])


def _with_head(allow: bytes) -> bytes:
    methods = {method.strip() for method in allow.decode("latin-1").split(",") if method.strip()}
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted(methods | {"OPTIONS"})).encode()
