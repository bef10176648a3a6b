"""Structured logs: one JSON object a line, request id bound in, secrets masked by key and by form."""

import logging
import re
import sys
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, TextIO
from urllib.parse import unquote_plus

import structlog

_SECRET_KEYS = re.compile(r"(?i)password|secret|token|authorization|api_key|auth_key|code$|cookie")
_SECRET_FORMS = re.compile(
    r"(?i:(?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{6,}"
    # A card's number, as people type it or as an address carries it.
    r"|(?:(?<![\w.-])|(?<=%[0-9A-Fa-f]{2}))[3-6]\d{3}(?:(?:[ +-]|%20)?\d{4}){2}(?:[ +-]|%20)?\d{1,7}(?!\w)"
)
_PRIVATE_NAME = re.compile(r"(?i)key|token|password|secret|code|signature")
# A signed token, wherever it begins in a run of its characters; what stands before it in the run stays. A run is looked
# through once, from its head: begun anew at each "eyJ", a long address would keep the event loop busy for its square.
_TOKENS = re.compile(
    r"(?i:(?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{6,}"
    r"|(?<![A-Za-z0-9_-])((?:(?!eyJ)[A-Za-z0-9_-])*+)eyJ[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]++\.[A-Za-z0-9_-]*+"
)
MASK = "***"


def masked(text: str) -> str:
    """A text without what looks like a secret. The time that it takes grows with the text and no faster."""
    if "eyJ" in text:
        text = _TOKENS.sub(rf"\1{MASK}", text)
    return _SECRET_FORMS.sub(MASK, text)


def mask(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    """Replaces secrets at any depth: values under telling keys, tokens wherever they stand in a text."""
    return {key: _masked(key, value) for key, value in event.items()}


def _masked(key: str, value: Any) -> Any:
    if value is not None and _SECRET_KEYS.search(key):
        return MASK
    if isinstance(value, dict):
        return {name: _masked(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", inner) for inner in value]
    return masked(value) if isinstance(value, str) else value


def masked_query(query: str) -> str:
    """A query string whose private parameters show no value, however their names are encoded."""
    if not query:
        return ""
    pairs = [pair.partition("=") for pair in query.split("&")]
    return "&".join(
        f"{name}={MASK}" if _PRIVATE_NAME.search(unquote_plus(name)) else name + eq + value for name, eq, value in pairs
    )


class AccessLog:
    """The line that every request gets: what the machinery below would write, at a tenth of its cost."""

    def __init__(self) -> None:
        self._logger = logging.getLogger("app.access")
        self.stream = sys.stdout

    def write(self, *, request_id: str, method: str, path: str, query: bytes, status: int, seconds: float) -> None:
        """One request, if its level is logged."""
        if not self._logger.isEnabledFor(logging.INFO):
            return
        asked = masked_query(query.decode("latin-1"))
        shown, masked_path, masked_id = (quoted(masked(text)) for text in (asked, path, request_id))
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        self.stream.write(
            f'{{"method": {quoted(method)}, "path": {masked_path}, "query": {shown if query else "null"}, '
            f'"status": {status}, "ms": {round(seconds * 1000, 1)}, "event": "request", "request_id": {masked_id}, '
            f'"level": "info", "logger": "app.access", "timestamp": "{now}"}}\n'
        )
        self.stream.flush()


access_log = AccessLog()

# What happens to every event, ours and the libraries', before it is rendered; masking comes last.
SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    mask,
]


def configure_logs(level: str, stream: TextIO | None = None) -> None:
    """Sets up structlog and the standard library's logging to the same lines, on standard output unless told."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    access_log.stream = sys.stdout
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(sort_keys=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in ("sqlalchemy.engine", "app.db.engine.TimedPool", "httpx"):
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    _take_over_from_uvicorn()


def _take_over_from_uvicorn() -> None:
    """It has set up its own logging before the application is loaded."""
    # What the server says of itself takes the same way as everything else, its tracebacks too.
    server = logging.getLogger("uvicorn")
    server.handlers[:] = []
    server.propagate = True
    # The edge writes the access lines. A logger that leads nowhere tells uvicorn not to prepare its own.
    access = logging.getLogger("uvicorn.access")
    access.handlers[:] = []
    access.propagate = False
