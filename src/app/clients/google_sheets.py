"""Google Sheets API v4: one spreadsheet, read and written in batches, within Google's quota."""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Self
from urllib.parse import quote

import httpx
import msgspec

from app.clients.errors import BadRequestError, NotConfigured, NotPermitted, Throttled, Unavailable
from app.clients.google_auth import SHEETS_SCOPE, GoogleAuth
from app.clients.owned import OwnsHttp
from app.clients.trust import trusted
from app.metrics import provider_call
from app.settings import Settings

Cell = str | int | float | bool | None
Rows = Sequence[Sequence[Cell]]
ANSWER_SECONDS = 30.0
CONNECT_SECONDS = 5.0
# Google counts 60 a minute and account, reads and writes apart.
CALLS_A_MINUTE = 55
TRIES = 5
LONGEST_PAUSE_SECONDS = 64.0
PASSING = frozenset({408, 500, 502, 503, 504})
RETRY_SECONDS = 30.0
_chance = secrets.SystemRandom()


class Tab(msgspec.Struct, frozen=True):
    """A tab of the spreadsheet and how many rows its grid has."""

    id: int
    title: str
    rows: int


class Quota:
    """At most `calls` in any minute: who comes too early waits."""

    def __init__(self, calls: int = CALLS_A_MINUTE, seconds: float = 60.0) -> None:
        self._calls, self._seconds = calls, seconds
        self._begun: deque[float] = deque()
        self._lock = asyncio.Lock()

    async def take(self) -> None:
        async with self._lock:
            now = time.monotonic()
            while self._begun and self._begun[0] <= now - self._seconds:
                self._begun.popleft()
            if len(self._begun) >= self._calls:
                await asyncio.sleep(self._begun[0] + self._seconds - now)
                self._begun.popleft()
            self._begun.append(time.monotonic())


class SheetsClient(OwnsHttp):
    """Reads and writes one spreadsheet. Every call may be made twice with the same effect, so failures are repeated."""

    def __init__(self, http: httpx.AsyncClient, base_url: str, spreadsheet: str, auth: GoogleAuth) -> None:
        self._http = http
        self._url = f"{base_url}/v4/spreadsheets/{quote(spreadsheet, safe='')}"
        self._spreadsheet = spreadsheet
        self._auth = auth
        self._reads, self._writes = Quota(), Quota()
        self.pause_seconds = 0.5

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Nothing connects and no file is read before the first call."""
        http = httpx.AsyncClient(verify=trusted(), timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS))
        auth = GoogleAuth(http, settings.google_service_account_file, [SHEETS_SCOPE])
        return cls(http, settings.google_sheets_base_url, settings.google_sheets_spreadsheet_id, auth)

    @property
    def configured(self) -> bool:
        """Whether there are a spreadsheet and credentials. Without them every call raises NotConfigured."""
        return bool(self._spreadsheet) and self._auth.configured

    async def tabs(self) -> dict[str, Tab]:
        """The tabs by title."""
        found = await self._call("GET", "", params={"fields": "spreadsheetId,sheets.properties"})
        tabs = (sheet["properties"] for sheet in found.get("sheets", []))
        return {
            tab["title"]: Tab(tab.get("sheetId", 0), tab["title"], tab.get("gridProperties", {}).get("rowCount", 0))
            for tab in tabs
        }

    async def read(self, cells: str) -> list[list[Cell]]:
        """The rows of a range in A1 notation; ragged, without empty ends. Numbers and booleans are themselves."""
        params = {"majorDimension": "ROWS", "valueRenderOption": "UNFORMATTED_VALUE"}
        params["dateTimeRenderOption"] = "FORMATTED_STRING"
        found = await self._call("GET", f"/values/{_escaped(cells)}", params=params)
        rows: list[list[Cell]] = found.get("values", [])
        return rows

    async def write(self, ranges: Mapping[str, Rows]) -> None:
        """Write ranges at once, all or none, as they are: nothing is taken for a formula. None leaves a cell alone."""
        data = [{"range": cells, "majorDimension": "ROWS", "values": rows} for cells, rows in ranges.items()]
        body = {"valueInputOption": "RAW", "includeValuesInResponse": False, "data": data}
        await self._call("POST", "/values:batchUpdate", body=body)

    async def clear(self, ranges: Sequence[str]) -> None:
        """Empty ranges of cells; what stands elsewhere stays where it is."""
        await self._call("POST", "/values:batchClear", body={"ranges": list(ranges)})

    async def add_tab(self, title: str) -> None:
        await self._structure({"addSheet": {"properties": {"title": title}}})

    async def add_rows(self, tab: Tab, count: int) -> None:
        """Make the grid longer. Done twice, it is longer than needed, which harms nothing."""
        await self._structure({"appendDimension": {"sheetId": tab.id, "dimension": "ROWS", "length": count}})

    async def _structure(self, request: Mapping[str, Any]) -> None:
        await self._call("POST", ":batchUpdate", body={"requests": [request]})

    async def _call(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: Any = None
    ) -> dict[str, Any]:
        """One call, repeated while the failure passes. Raises NotConfigured, NotPermitted, BadRequestError,
        Unavailable, Throttled.
        """
        if not self._spreadsheet:
            raise NotConfigured("GOOGLE_SHEETS_SPREADSHEET_ID is not set")
        content = None if body is None else msgspec.json.encode(body)
        for attempt in range(1, TRIES + 1):
            await (self._reads if method == "GET" else self._writes).take()
            try:
                return await self._try(method, path, params, content)
            except Unavailable:
                if attempt == TRIES:
                    raise
            await asyncio.sleep(min(self.pause_seconds * (2**attempt + _chance.random()), LONGEST_PAUSE_SECONDS))
        raise AssertionError("the last try returns or raises")

    async def _try(
        self, method: str, path: str, params: Mapping[str, str] | None, content: bytes | None
    ) -> dict[str, Any]:
        access = await self._auth.token()
        answer = await self._send(method, path, params, content, access)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            access = await self._auth.token(refused=access)
            answer = await self._send(method, path, params, content, access)
        return _read(answer)

    async def _send(
        self, method: str, path: str, params: Mapping[str, str] | None, content: bytes | None, access: str
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {access}", "Content-Type": "application/json"}
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                with provider_call("sheets"):
                    return await self._http.request(
                        method, self._url + path, params=params, content=content, headers=headers
                    )
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unavailable(f"Sheets cannot be reached: {error!r}", retry_after=RETRY_SECONDS) from error


def _escaped(cells: str) -> str:
    return quote(cells, safe="!:'")


def _read(answer: httpx.Response) -> dict[str, Any]:
    status = answer.status_code
    try:
        found: dict[str, Any] = msgspec.json.decode(answer.content, type=dict[str, Any])
    except (msgspec.DecodeError, ValueError, RecursionError):
        found = {}
        if answer.is_success:
            raise Unavailable("Sheets gave an unreadable answer", retry_after=RETRY_SECONDS) from None
    if answer.is_success:
        return found
    error = found.get("error")
    message = str(error.get("message", "")) if isinstance(error, dict) else ""
    message = message or f"Sheets answered {status}"
    if status == httpx.codes.TOO_MANY_REQUESTS:
        raise Throttled(message, retry_after=RETRY_SECONDS, status=status)
    if status in PASSING:
        raise Unavailable(message, retry_after=RETRY_SECONDS, status=status)
    if status in {401, 403, 404}:
        raise NotPermitted(message, status=status)
    raise BadRequestError(message, status=status)
