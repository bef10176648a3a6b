"""A connection: what uvicorn leaves to a proxy, for those who have none.

A head has to arrive in time and within its size, a body at a least pace; an answer has to be taken. What can be read in
two ways (no Host or two, one that is no host, headers after the body) is refused or left out, so that nothing in front
of this server reads another request than it does.
"""

import asyncio
import re
from http import HTTPStatus
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.http.exchange import DEFAULT_POLICY, SECURITY_HEADERS
from app.metrics import REQUESTS

HEAD_BYTES = 64 << 10
HEADERS = 100

# A name, an address of version 4 or one of version 6, and a port.
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_NO_TIME = b"HTTP/1.1 503 Service Unavailable\r\n"
_HEAD, _BODY, _DONE, _REFUSED = "head", "body", "done", "refused"


class Refused(Exception):
    """The request cannot be taken: ends the parser's work."""


class Connection(HttpToolsProtocol):
    """The protocol of uvicorn with bounds. Time is the loop's, sizes are bytes."""

    look_seconds = 1.0
    head_seconds = 10.0
    # A body's pace: so many bytes in each span.
    body_seconds = 15.0
    body_bytes = 8 << 10
    # For so long may an answer lie here without a byte of it taken.
    answer_seconds = 30.0
    # What is sent on after a refusal is heard out so long and so far: a close before it takes the answer back.
    linger_seconds = 2.0
    linger_bytes = 1 << 20

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._status = HTTPStatus.BAD_REQUEST
        self._heard = self._shed = False
        self._count = self._left = 0
        self._taken_at = self.loop.time()
        # The request that is answered, or was last: of pipelined ones uvicorn's `cycle` is the one that came last.
        self._answering: Any = None
        self._enter(_HEAD)
        self._watch: asyncio.TimerHandle | None = self.loop.call_later(self.look_seconds, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self._abandon()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _enter(self, stage: str) -> None:
        self._stage, self._since, self._bytes = stage, self.loop.time(), 0

    def data_received(self, data: bytes) -> None:
        if self._stage == _REFUSED:
            self._hear_out(data)
            return
        if self._stage == _DONE:
            self._enter(_HEAD)
        self._bytes += len(data)
        self._heard = True
        super().data_received(data)
        # A line that never ends reaches none of the parser's callbacks.
        if self._stage == _HEAD and self._bytes > HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._count = 0
        if self._stage != _HEAD:
            self._enter(_HEAD)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > HEAD_BYTES:
            self._status = HTTPStatus.REQUEST_URI_TOO_LONG
            raise Refused

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._stage == _BODY:  # after the body: a proxy has not looked at these, so nobody does
            return
        super().on_header(name, value)
        self._count += len(name) + len(value)
        if self._count > HEAD_BYTES or len(self.headers) > HEADERS:
            self._status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise Refused

    def on_headers_complete(self) -> None:
        hosts = [value for name, value in self.headers if name == b"host"]
        version = self.parser.get_http_version()
        if version not in {"1.0", "1.1"} or len(hosts) > 1 or not all(map(_HOST.fullmatch, hosts)):
            raise Refused
        if version == "1.1" and not hosts:
            raise Refused
        self._enter(_BODY)
        self._shed = self._has_no_time()
        if not self._shed:
            super().on_headers_complete()

    def _has_no_time(self) -> bool:
        """Answers at once what the application would refuse, and says whether it did."""
        edge = getattr(self.app, "edge", None)
        if edge is None or self._is_answering or not self.parser.should_keep_alive():
            return False
        answer = edge.shedding.refusal(self.parser.get_method(), self.url, self.headers)
        if answer is None:
            return False
        dates = (name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers)
        self.transport.write(b"".join([_NO_TIME, *dates, answer]))
        self.on_response_complete()
        return True

    def on_message_complete(self) -> None:
        self._enter(_DONE)
        if not self._shed:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own words are its log's
        self._refuse(self._status)

    def _unsupported_upgrade_warning(self) -> None:
        """Whoever asks for another protocol is answered in this one."""

    def _look(self) -> None:
        if self.transport.is_closing():
            self._let_go()
        elif self._is_slow():
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        self._watch = self.loop.call_later(self.look_seconds, self._look)

    def _is_slow(self) -> bool:
        now = self.loop.time()
        self._let_go()
        if self.flow.read_paused:  # it is us who do not read
            self._since, self._bytes = now, 0
        if self._stage == _HEAD:
            return now - self._since > self.head_seconds
        if self._stage == _BODY and now - self._since > self.body_seconds:
            slow = self._bytes < self.body_bytes
            self._since, self._bytes = now, 0
            return slow
        return False

    def _let_go(self) -> None:
        """Of a client that takes nothing of what it has asked for."""
        left, now = self.transport.get_write_buffer_size(), self.loop.time()
        if left == 0 or left != self._left:
            self._left, self._taken_at = left, now
        elif now - self._taken_at > self.answer_seconds:
            self.transport.abort()

    def _refuse(self, status: HTTPStatus) -> None:
        """The last answer on a connection; none where another has begun or nobody has asked."""
        if self.transport.is_closing() or self._stage == _REFUSED:
            return
        if self._heard and not (self._is_answering and self._answering.response_started):
            self.transport.write(_answer(status))
            REQUESTS.labels("other", "none", str(status.value)).observe(0)
        self._abandon()
        self._linger()

    @property
    def _is_answering(self) -> bool:
        return self._answering is not None and not self._answering.response_complete

    def _abandon(self) -> None:
        """Who waits for the rest of the body is told that there is none; whoever comes after it is not begun."""
        self.pipeline.clear()
        if self._is_answering:
            self._answering.disconnected = True
            self._answering.waiting_for_100_continue = False
            self._answering.message_event.set()

    def _linger(self) -> None:
        """Says that nothing more comes. A socket that is closed with bytes unread is reset, and the answer is lost."""
        self._enter(_REFUSED)
        self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(self.linger_seconds, self.transport.close)

    def _hear_out(self, data: bytes) -> None:
        self._bytes += len(data)
        if self._bytes > self.linger_bytes:
            self.transport.close()


def _answer(status: HTTPStatus) -> bytes:
    body = msgspec.json.encode({"detail": f"{status.phrase}."})
    headers = {
        b"content-type": b"application/json",
        b"content-length": str(len(body)).encode(),
        b"connection": b"close",
        b"content-security-policy": DEFAULT_POLICY,
        **dict(SECURITY_HEADERS),
    }
    lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode(), *(n + b": " + v for n, v in headers.items())]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
