"""Cloudinary: pictures kept and served by others. An upload bears a name of ours that no other upload ever has."""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from typing import Self, TypeVar

import httpx
import msgspec

from app.clients.errors import BadRequestError, NotConfigured, NotPermitted, OutcomeUnknown, Throttled, Unavailable
from app.clients.owned import OwnsHttp
from app.clients.trust import trusted
from app.db import clock
from app.metrics import provider_call
from app.settings import Settings

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 15.0
RETRY_SECONDS = 30.0
_URL = re.compile(r"cloudinary://([\w-]+):([\w-]+)@([\w-]+)(?:\?.*)?", re.ASCII)
T = TypeVar("T")
# Nothing of the request was written yet when these are raised.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.InvalidURL)


class Account(msgspec.Struct, frozen=True):
    """Whose pictures they are."""

    cloud: str
    key: str
    secret: str

    @classmethod
    def of(cls, url: str) -> "Account | None":
        """From `cloudinary://key:secret@cloud`."""
        found = _URL.fullmatch(url)
        return cls(found[3], found[1], found[2]) if found else None


class Uploaded(msgspec.Struct, frozen=True):
    """A picture that Cloudinary keeps, and where it is read."""

    public_id: str
    version: int
    format: str
    width: int
    height: int
    secure_url: str


class _Destroyed(msgspec.Struct):
    result: str


class _Words(msgspec.Struct, frozen=True):
    message: str = ""


class _Refusal(msgspec.Struct):
    error: _Words = _Words()


def signature(parameters: Mapping[str, str], secret: str) -> str:
    """Cloudinary's signature (version 2, SHA-1) of what is sent beside the file and the key."""
    signed = "&".join(f"{name}={value.replace('&', '%26')}" for name, value in sorted(parameters.items()) if value)
    return hashlib.sha1(f"{signed}{secret}".encode()).hexdigest()  # noqa: S324 - the provider's choice


class CloudinaryClient(OwnsHttp):
    """Uploads and destroys. Close it with `aclose()`."""

    def __init__(self, http: httpx.AsyncClient, upload_prefix: str, account: Account | None) -> None:
        self._http = http
        self._prefix = upload_prefix.rstrip("/")
        self._account = account

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Nothing connects before the first call."""
        http = httpx.AsyncClient(verify=trusted(), timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS))
        return cls(http, settings.cloudinary_upload_prefix, Account.of(settings.cloudinary_url))

    async def upload(self, content: bytes, public_id: str) -> Uploaded:
        """Keep a picture under a name that is new. Raises ProviderError; after OutcomeUnknown it may be there."""
        answer = await self._call("upload", {"public_id": public_id, "overwrite": "false"}, content)
        return _read(answer, Uploaded)

    async def destroy(self, public_id: str) -> bool:
        """Whether there was such a picture; afterwards there is none. Raises ProviderError; may be repeated."""
        answer = await self._call("destroy", {"public_id": public_id, "invalidate": "true"})
        return _read(answer, _Destroyed).result == "ok"

    async def _call(self, action: str, parameters: dict[str, str], content: bytes | None = None) -> httpx.Response:
        account = self._account
        if account is None:
            raise NotConfigured("CLOUDINARY_URL is not set")
        signed = parameters | {"timestamp": str(int(clock.seconds()))}
        fields = signed | {"api_key": account.key, "signature": signature(signed, account.secret)}
        files = None if content is None else {"file": ("picture", content, "application/octet-stream")}
        url = f"{self._prefix}/v1_1/{account.cloud}/image/{action}"
        try:
            # The timeouts of the connection are for each read; an answer that trickles in would have no end.
            async with asyncio.timeout(ANSWER_SECONDS):
                with provider_call("cloudinary"):
                    answer = await self._http.post(url, data=fields, files=files)
        except _NOT_SENT as error:
            raise Unavailable(f"Cloudinary cannot be reached: {error!r}", retry_after=RETRY_SECONDS) from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise OutcomeUnknown(f"Cloudinary's answer was lost: {error!r}") from error
        if answer.status_code != httpx.codes.OK:
            raise _refusal(answer)
        return answer


def _read(answer: httpx.Response, model: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.content, type=model)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise OutcomeUnknown(f"Cloudinary's answer cannot be read: {error}") from error


def _refusal(answer: httpx.Response) -> Exception:
    """What a status means. The provider's words name parts of what was signed, so that they stay short in a log."""
    status = answer.status_code
    try:
        words = msgspec.json.decode(answer.content, type=_Refusal).error.message[:200]
    except (msgspec.DecodeError, ValueError, RecursionError):
        words = ""
    message = f"Cloudinary answers {status}: {words}"
    if status in {420, 429}:
        return Throttled(message, retry_after=RETRY_SECONDS, status=status)
    if status in {401, 403}:
        return NotPermitted(message, status=status)
    if status >= 500:
        return Unavailable(message, retry_after=RETRY_SECONDS, status=status)
    return BadRequestError(message, status=status)
