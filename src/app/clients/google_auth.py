"""Access tokens for Google's APIs: a service account signs an assertion (RFC 7523) and trades it for a bearer token."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from app.clients.errors import NotConfigured, NotPermitted, ProviderError, Unavailable
from app.db import clock
from app.environment import is_protected
from app.metrics import provider_call

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
FCM_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
SHEETS_SCOPE = "https://www.googleapis.com/auth/spreadsheets"
# Google's own library renews this long before the end.
RENEW_SECONDS = 225.0
ASSERTION_SECONDS = 3600
TRIES = 3
PAUSE_SECONDS = 0.1
NO_KEY = "the Google service account's private_key is no RSA key"
PASSING = frozenset({408, 429, 500, 502, 503, 504})
_chance = secrets.SystemRandom()


class ServiceAccount(msgspec.Struct, frozen=True):
    """What is needed of the JSON file that Google's console gives."""

    project_id: str
    private_key_id: str
    private_key: str
    client_email: str
    token_uri: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address


class _Grant(msgspec.Struct):
    access_token: str
    expires_in: int = 3599


class _Refusal(msgspec.Struct):
    error: str = ""
    error_description: str = ""


class GoogleAuth:
    """One account's access token, kept until shortly before its end and fetched once however many ask for it.

    The account's file is read when a token is needed and again when it has changed, so that the process may start
    before the file is there and outlives a new key.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        account_file: str,
        scopes: Sequence[str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._path = Path(account_file) if account_file else None
        self._scope = " ".join(scopes)
        self._account: ServiceAccount | None = None
        self._read_at = 0
        self._token = ""
        self._renew_at = 0.0
        self._clock = clock
        self._lock = asyncio.Lock()
        self._failure: ProviderError | None = None
        self._failed_at = 0.0

    @property
    def configured(self) -> bool:
        """Whether there is an account to sign with."""
        try:
            self.account()
        except NotConfigured:
            return False
        return True

    def account(self) -> ServiceAccount:
        """The service account. Raises NotConfigured without a file, or with one that is no account's."""
        if self._path is None:
            raise NotConfigured("GOOGLE_SERVICE_ACCOUNT_FILE is not set")
        try:
            changed_at = self._path.stat().st_mtime_ns
            if self._account is None or changed_at != self._read_at:
                self._account = _decode_account(self._path)
                self._read_at = changed_at
                self._token = ""
        except OSError as error:
            raise NotConfigured(f"the Google service account cannot be read: {error.strerror}") from error
        return self._account

    async def token(self, *, refused: str = "") -> str:
        """A valid access token. `refused` is one that the API did not take: it is replaced, once for all who say so.

        Raises NotConfigured, NotPermitted or Unavailable; with any of them nothing has happened anywhere.
        """
        account = self.account()
        if self._is_good(refused):
            return self._token
        asked_at = self._clock()
        async with self._lock:
            if self._is_good(refused):
                return self._token
            if self._failure is not None and self._failed_at >= asked_at:
                raise self._failure.with_traceback(None)
            await self._renew(account)
        return self._token

    def _is_good(self, refused: str) -> bool:
        return bool(self._token) and self._clock() < self._renew_at and self._token is not refused

    async def _renew(self, account: ServiceAccount) -> None:
        self._failure = None
        asked_at = self._clock()
        try:
            grant = await self._fetch(account)
        except ProviderError as error:
            self._failure, self._failed_at = error, self._clock()
            raise
        self._token = grant.access_token
        self._renew_at = asked_at + grant.expires_in - min(RENEW_SECONDS, grant.expires_in / 2)

    async def _fetch(self, account: ServiceAccount) -> _Grant:
        """The exchange changes nothing, so that it may be repeated whatever went wrong."""
        form = {"grant_type": GRANT_TYPE, "assertion": _assertion(account, self._scope)}
        for attempt in range(1, TRIES + 1):
            try:
                with provider_call("google"):
                    answer = await self._http.post(account.token_uri, data=form)
            except httpx.HTTPError as error:
                failure = Unavailable(f"no answer from Google's token endpoint: {error!r}", retry_after=1.0)
            else:
                if answer.is_success:
                    return _decode_grant(answer)
                failure = _passing_or_raise(answer)
            if attempt < TRIES:
                await asyncio.sleep(PAUSE_SECONDS * _chance.uniform(1, 2) * 2**attempt)
        raise failure


def _decode_account(path: Path) -> ServiceAccount:
    try:
        account = msgspec.json.decode(path.read_bytes(), type=ServiceAccount)
    except msgspec.DecodeError as error:
        raise NotConfigured(f"the Google service account is malformed: {error}") from error
    if not is_protected(account.token_uri):
        raise NotConfigured("the Google service account's token_uri is neither https nor on this machine")
    return account


@lru_cache(maxsize=4)
def _signing_key(pem: str) -> RSAPrivateKey:
    """Read once: each time OpenSSL would check it for longer than it takes to sign. Raises NotConfigured."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it wants a password
        raise NotConfigured(NO_KEY) from error
    if not isinstance(key, RSAPrivateKey):
        raise NotConfigured(NO_KEY)
    return key


def _assertion(account: ServiceAccount, scope: str) -> str:
    now = int(clock.seconds())
    claims: dict[str, Any] = {
        "iss": account.client_email,
        "scope": scope,
        "aud": account.token_uri,
        "iat": now,
        "exp": now + ASSERTION_SECONDS,
    }
    key = _signing_key(account.private_key)
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": account.private_key_id})


def _decode_grant(answer: httpx.Response) -> _Grant:
    try:
        return msgspec.json.decode(answer.content, type=_Grant)
    except msgspec.DecodeError as error:
        raise Unavailable("Google's token endpoint gave an unreadable answer", retry_after=1.0) from error


def _passing_or_raise(answer: httpx.Response) -> Unavailable:
    if answer.status_code in PASSING:
        message = f"Google's token endpoint answered {answer.status_code}"
        return Unavailable(message, retry_after=1.0, status=answer.status_code)
    try:
        refusal = msgspec.json.decode(answer.content, type=_Refusal)
    except msgspec.DecodeError:
        refusal = _Refusal()
    message = refusal.error_description or f"Google's token endpoint answered {answer.status_code}"
    raise NotPermitted(message, code=refusal.error, status=answer.status_code)
