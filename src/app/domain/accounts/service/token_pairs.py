"""Token pairs: given out, rotated, and the end of a family whose token was used twice."""

import datetime as dt
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import clock
from app.domain.accounts import queries, tokens
from app.domain.accounts.models import RefreshToken, User
from app.domain.accounts.rules.doors import NoAccountForToken, RefreshTokenRefused
from app.domain.accounts.tokens import BadToken, Token
from app.domain.activity.service import ActivityService
from app.settings import Settings

CLOCK = func.clock_timestamp()


class TokenPair(msgspec.Struct, frozen=True):
    """An access token and the refresh token that belongs to it."""

    access: str
    refresh: str


class TokenPairService:
    """Every refresh token that leaves here is stored; an access token is not."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.secrets = tokens.signing_secrets(settings.secret_key, settings.secret_key_previous)
        self.grace = dt.timedelta(seconds=settings.refresh_reuse_grace_seconds)

    async def give(self, user_id: int, version: int) -> TokenPair:
        """The first pair of a new family. Both tokens die when the user's version is no longer `version`."""
        jti = uuid4()
        return await self._pair(user_id, version, jti=jti, family=jti, parent=None)

    async def rotate(self, text: str, address: str | None = None) -> TokenPair | RefreshTokenRefused:
        """A new pair for a refresh token, which is spent by it; of any number of parallel calls one gets the pair.

        A spent token is refused, and past the grace time its whole family with it: that refusal is returned, so that
        the family's end is committed. Raises RefreshTokenRefused for a token that is not good, NoAccountForToken when
        its user is gone or not active.
        """
        token = self._read(text)
        # The lock orders this against a block, a change of password and the end of the family: whoever comes second
        # sees what the first one did.
        user = (await self.session.execute(queries.LOCKED_BY_ID, {"user_id": token.user_id})).one_or_none()
        if user is None:
            raise NoAccountForToken
        jti = UUID(token.jti)
        family = await self._spend(jti, token.user_id)
        if family is None:
            return await self._refuse(jti, token.user_id, address)
        if not user.is_active:
            raise NoAccountForToken
        if user.token_version != token.version:
            raise RefreshTokenRefused
        return await self._pair(token.user_id, token.version, jti=uuid4(), family=family, parent=jti)

    async def end_all(self, user_id: int) -> int:
        """End every token of the user, access tokens too, from the next request on: the version of those to come."""
        raised = await self.session.execute(
            update(User)
            .where(User.id == user_id)
            .values(token_version=User.token_version + 1)
            .returning(User.token_version)
        )
        await self._revoke(RefreshToken.user_id == user_id)
        return int(raised.scalar_one())

    async def end_family(self, text: str) -> int:
        """Log out: no refresh token of this login works any more. The user's id.

        Raises RefreshTokenRefused for a token that is not good; one that was spent or revoked still names its family.
        """
        token = self._read(text)
        await self.session.execute(queries.LOCKED_BY_ID, {"user_id": token.user_id})
        known = await self.session.execute(
            select(RefreshToken.family).where(
                RefreshToken.jti == UUID(token.jti), RefreshToken.user_id == token.user_id
            )
        )
        family = known.scalar_one_or_none()
        if family is None:
            raise RefreshTokenRefused(tokens.INVALID)
        await self._revoke(RefreshToken.family == family)
        return token.user_id

    async def _revoke(self, which: ColumnElement[bool]) -> int:
        """How many tokens this call has ended."""
        ended = await self.session.execute(
            update(RefreshToken).where(which, RefreshToken.revoked_at.is_(None)).values(revoked_at=CLOCK)
        )
        return int(getattr(ended, "rowcount", 0))

    def _read(self, text: str) -> Token:
        try:
            token = tokens.read(self.secrets, text, tokens.REFRESH, now=int(clock.seconds()))
            UUID(token.jti)
        except BadToken as error:
            raise RefreshTokenRefused(str(error)) from error
        except ValueError as error:
            raise RefreshTokenRefused(tokens.INVALID) from error
        return token

    async def _spend(self, jti: UUID, user_id: int) -> UUID | None:
        """The family of the token, if this call is the one that spends it."""
        spent = await self.session.execute(
            update(RefreshToken)
            .where(
                RefreshToken.jti == jti,
                RefreshToken.user_id == user_id,
                RefreshToken.rotated_at.is_(None),
                RefreshToken.revoked_at.is_(None),
            )
            .values(rotated_at=CLOCK)
            .returning(RefreshToken.family)
        )
        return spent.scalar_one_or_none()

    async def _refuse(self, jti: UUID, user_id: int, address: str | None) -> RefreshTokenRefused:
        """Why a token cannot be spent. Two tabs that refresh at once are within the grace time; a thief is not."""
        late = RefreshToken.rotated_at + self.grace < CLOCK
        known = (
            await self.session.execute(
                select(RefreshToken.family, late).where(RefreshToken.jti == jti, RefreshToken.user_id == user_id)
            )
        ).one_or_none()
        if known is None:
            return RefreshTokenRefused(tokens.INVALID)
        family, too_late = known
        if too_late and await self._revoke(RefreshToken.family == family):
            await ActivityService(self.session).record(
                actor_id=user_id,
                action="token_reuse",
                description="Un token de actualización ya usado volvió a usarse: se cerró la sesión",
                content_type="user",
                object_id=user_id,
                address=address,
            )
        return RefreshTokenRefused()

    async def _pair(self, user_id: int, version: int, *, jti: UUID, family: UUID, parent: UUID | None) -> TokenPair:
        now = int(clock.seconds())
        expires_at = dt.datetime.fromtimestamp(now + tokens.LIFETIME_SECONDS[tokens.REFRESH], dt.UTC)
        await self.session.execute(
            insert(RefreshToken).values(jti=jti, family=family, parent=parent, user_id=user_id, expires_at=expires_at)
        )
        secret = self.secrets[0]
        return TokenPair(
            access=tokens.mint(secret, tokens.ACCESS, user_id=user_id, version=version, jti=uuid4(), now=now),
            refresh=tokens.mint(secret, tokens.REFRESH, user_id=user_id, version=version, jti=jti, now=now),
        )
