"""Firebase Cloud Messaging, HTTP v1: one push to one device's token."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from functools import cached_property
from typing import Any, Self
from urllib.parse import quote

import httpx
import msgspec

from app.clients import fcm_answers
from app.clients.errors import OutcomeUnknown, Unavailable
from app.clients.google_auth import FCM_SCOPE, GoogleAuth
from app.clients.lanes import Lanes
from app.clients.owned import OwnsHttp
from app.metrics import provider_call
from app.settings import Settings

CONCURRENCY = 100
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
# Idle connections are given up before the other side does: what is written to one that was just closed is lost.
IDLE_SECONDS = 20.0
# A connection that is refused is tried again at once or not at all; longer waits belong to the job.
CONNECT_TRIES = 3
UNREACHABLE_SECONDS = 10.0
# Nothing of the request was written yet when these are raised.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_TOKEN_PLACE = "\u0000token\u0000"  # noqa: S105 - a mark in the template, no text can hold it
_chance = secrets.SystemRandom()


class Push(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What a device shows. Pushes of one `collapse_id` (at most 64 bytes) replace one another on the device.

    `data` reaches the application as it is; FCM takes texts alone. `ttl_seconds` is how long FCM keeps the push for a
    device that is off. Build one and send it to many tokens: it is encoded once.
    """

    title: str
    body: str
    collapse_id: str
    data: Mapping[str, str] = {}
    image: str = ""
    ttl_seconds: int = 3600
    channel_id: str = ""

    @cached_property
    def _halves(self) -> tuple[bytes, bytes]:
        before, after = msgspec.json.encode({"message": self._message()}).split(msgspec.json.encode(_TOKEN_PLACE))
        return before, after

    def encoded(self, token: str, *, validate_only: bool = False) -> bytes:
        """The request's body for one device."""
        before, after = self._halves
        if validate_only:
            after = after[:-1] + b',"validate_only":true}'
        return before + msgspec.json.encode(token) + after

    def _message(self) -> dict[str, Any]:
        notification = {"title": self.title, "body": self.body} | ({"image": self.image} if self.image else {})
        shown = {"tag": self.collapse_id} | ({"channel_id": self.channel_id} if self.channel_id else {})
        return {
            "token": _TOKEN_PLACE,
            "notification": notification,
            "data": dict(self.data),
            "android": {
                "collapse_key": self.collapse_id,
                "priority": "HIGH",
                "ttl": f"{self.ttl_seconds}s",
                "notification": shown,
            },
            "apns": {"headers": {"apns-priority": "10", "apns-collapse-id": self.collapse_id}},
            "webpush": {
                "headers": {"TTL": str(self.ttl_seconds), "Urgency": "high"},
                "notification": {"title": self.title, "body": self.body, "tag": self.collapse_id},
            },
        }


class SendResult(msgspec.Struct, frozen=True):
    """FCM took the push. `message_id` is its name there, without the project."""

    message_id: str


class FcmClient(OwnsHttp):
    """Sends pushes, at most `concurrency` at a time. Close it with `aclose()` or use it as a context manager."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        base_url: str,
        auth: GoogleAuth,
        *,
        concurrency: int = CONCURRENCY,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._auth = auth
        self._slots = asyncio.Semaphore(concurrency)
        connect_seconds = min(CONNECT_SECONDS, answer_seconds)
        self._timeout = httpx.Timeout(answer_seconds, connect=connect_seconds).as_dict()
        self._seconds = connect_seconds + answer_seconds
        self._project = ""
        self._url = httpx.URL()

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """A client with connections of its own. Nothing connects and no file is read before the first send."""
        http = httpx.AsyncClient(
            transport=Lanes(CONCURRENCY, idle_seconds=IDLE_SECONDS),
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        )
        auth = GoogleAuth(http, settings.google_service_account_file, [FCM_SCOPE])
        return cls(http, settings.fcm_base_url, auth)

    @property
    def configured(self) -> bool:
        """Whether there are credentials. Without them `send` raises NotConfigured."""
        return self._auth.configured

    async def send(self, push: Push, token: str, *, validate_only: bool = False) -> SendResult:
        """Hand one push to FCM. With `validate_only` FCM checks everything and sends nothing.

        Raises, by what the caller does next: TokenRejected (forget the token), Throttled and Unavailable (again, after
        `retry_after` s: nothing was sent), OutcomeUnknown (never again), NotConfigured, NotPermitted, ThirdPartyAuth
        (a person has to act), BadRequestError (an error of ours). All are ProviderError.
        """
        body = push.encoded(token, validate_only=validate_only)
        async with self._slots:
            with provider_call("fcm"):
                return await self._deliver(body)

    async def _deliver(self, body: bytes) -> SendResult:
        access = await self._auth.token()
        answer = await self._post(access, body)
        if fcm_answers.is_stale_access(answer):
            access = await self._auth.token(refused=access)
            answer = await self._post(access, body)
        return SendResult(fcm_answers.message_id(answer))

    def _endpoint(self, project: str) -> httpx.URL:
        """Parsed once; the account's file may come to name another project."""
        if project != self._project:
            self._project = project
            self._url = httpx.URL(f"{self._base_url}/v1/projects/{quote(project, safe='')}/messages:send")
        return self._url

    async def _post(self, access: str, body: bytes) -> httpx.Response:
        for attempt in range(1, CONNECT_TRIES + 1):
            try:
                return await self._try_post(access, body)
            except httpx.ConnectError as error:
                if attempt == CONNECT_TRIES:
                    raise Unavailable(f"FCM cannot be reached: {error}", retry_after=UNREACHABLE_SECONDS) from error
            await asyncio.sleep(_chance.uniform(0.02, 0.05) * 2**attempt)
        raise AssertionError("the last try returns or raises")

    async def _try_post(self, access: str, body: bytes) -> httpx.Response:
        """One request. ConnectError is left to the caller; after any other error it is known what became of it."""
        written = _Body(body)
        request = httpx.Request(
            "POST",
            self._endpoint(self._auth.account().project_id),
            headers=_headers(access, body),
            content=written,
            extensions={"timeout": self._timeout},
        )
        try:
            # The timeouts above are for each read; an answer that trickles in would have no end.
            async with asyncio.timeout(self._seconds):
                return await self._http.send(request)
        except httpx.ConnectError:
            raise
        except (httpx.HTTPError, TimeoutError) as error:
            if isinstance(error, _NOT_SENT) or not written.begun:
                raise Unavailable(f"FCM cannot be reached: {error!r}", retry_after=UNREACHABLE_SECONDS) from error
            raise OutcomeUnknown(f"FCM's answer was lost: {error!r}") from error


class _Body:
    """A request's body that knows whether any of it was handed to the connection."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.begun = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.begun = True
        yield self._content


def _headers(access: str, body: bytes) -> list[tuple[str, str]]:
    return [
        ("Authorization", f"Bearer {access}"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Accept", "application/json"),
        ("User-Agent", "relampago"),
    ]
