"""Codes by mail: given out, tried, made again for the mail."""

import datetime as dt
import secrets
from hmac import compare_digest
from typing import Any

import msgspec
from sqlalchemy import Interval, cast, func, insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts import queries
from app.domain.accounts.models import VerificationCode
from app.domain.accounts.rules import codes
from app.domain.accounts.rules.codes import Purpose
from app.domain.accounts.tokens import signing_secrets
from app.jobs.queue import defer
from app.settings import Settings

MAIL_JOB = "send_code_mail"
CLOCK = func.clock_timestamp()
_LIFE = dt.timedelta(minutes=codes.LIFE_MINUTES)


class RevealedCode(msgspec.Struct, frozen=True):
    """A live code with what its mail says. `email` is where it goes: for EMAIL_CHANGE the new address."""

    id: int
    purpose: Purpose
    code: str
    email: str
    user_id: int
    username: str
    first_name: str
    expires_at: dt.datetime


class CodeService:
    """One live code at most for a user and purpose. Who calls with a user holds that user's row lock.

    With None instead of a user everything takes the same time and has no effect: so asking and guessing tell nobody
    which addresses have an account.
    """

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.secrets = signing_secrets(settings.secret_key, settings.secret_key_previous)

    async def issue(self, user_id: int | None, purpose: Purpose, email: str) -> None:
        """Mail a new code to the address; the one before it is void. Past the bounds of `rules.codes` nothing is."""
        bounds = {"codes": codes.CODES_AN_HOUR, "tries": codes.TRIES_A_DAY}
        found = await self.session.execute(queries.NEXT_CODE, {"user_id": user_id, "purpose": purpose, **bounds})
        code_id, allowed = found.one()
        if user_id is not None and allowed:
            await self._insert(code_id, purpose, user_id=user_id, email=email)
        else:
            await self._insert(code_id, purpose)
        await defer(self.session, MAIL_JOB, code_id=code_id)

    async def prove(self, user_id: int | None, purpose: Purpose, code: str, email: str) -> bool:
        """Whether the code is the user's live one for the purpose and address; it is used up by that.

        A wrong one costs a try, so the caller must not raise but return its refusal.
        """
        if not codes.is_code(code):
            return False
        found = await self.session.execute(
            update(VerificationCode)
            .where(VerificationCode.user_id == user_id, VerificationCode.purpose == purpose, queries.CODE_LIVES)
            .values(tries=VerificationCode.tries + 1)
            .returning(VerificationCode.id, VerificationCode.salt, VerificationCode.digest, VerificationCode.email)
        )
        row = found.one_or_none()
        if row is not None and self._matches(row, code) and row.email.lower() == email.lower():
            await self._end(VerificationCode.id == row.id)
            return True
        await self.session.execute(queries.LEAVE_A_TRACE)
        return False

    async def void(self, user_id: int) -> None:
        """No code of the user holds any more, whatever it is for."""
        await self._end(VerificationCode.user_id == user_id)

    async def reveal(self, code_id: int) -> RevealedCode | None:
        """A code for its mail; None when it no longer holds, or was for nobody."""
        found = await self.session.execute(queries.LIVE_CODE, {"code_id": code_id})
        row = found.one_or_none()
        for secret in self.secrets if row is not None else ():
            code = codes.code_of(secret, row.id, row.salt)
            if self._matches(row, code):
                told = (row.email, row.user_id, row.username, row.first_name, row.expires_at)
                return RevealedCode(row.id, row.purpose, code, *told)
        return None

    def _matches(self, row: Any, code: str) -> bool:
        """By the secret of the row's time: during a rotation that may be the one before."""
        return any(
            compare_digest(codes.digest_of(secret, row.id, row.salt, code), row.digest) for secret in self.secrets
        )

    async def _insert(self, code_id: int, purpose: Purpose, *, user_id: int | None = None, email: str = "") -> None:
        """The row of a code; without a user one that never held."""
        salt = secrets.token_bytes(codes.SALT_BYTES)
        code = codes.code_of(self.secrets[0], code_id, salt)
        await self.session.execute(
            insert(VerificationCode).values(
                id=code_id,
                user_id=user_id,
                purpose=purpose,
                email=email,
                salt=salt,
                digest=codes.digest_of(self.secrets[0], code_id, salt, code),
                expires_at=CLOCK + cast(_LIFE, Interval),
                ended_at=None if user_id is not None else CLOCK,
            )
        )

    async def _end(self, which: Any) -> None:
        await self.session.execute(
            update(VerificationCode).where(which, VerificationCode.ended_at.is_(None)).values(ended_at=CLOCK)
        )
