"""What the tests of accounts share: the code as its mail would say it."""

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import User, VerificationCode
from app.domain.accounts.service.codes import CodeService, RevealedCode
from app.settings import Settings

Mailed = Callable[..., Awaitable[RevealedCode | None]]


@pytest.fixture
def mailed(db: AsyncSession, settings: Settings) -> Mailed:
    """The newest code that a user was sent, if it still holds: what the mail's job would make of its argument."""

    async def newest(user: User | int, purpose: str = "") -> RevealedCode | None:
        await db.rollback()
        of_user = select(VerificationCode.id).where(
            VerificationCode.user_id == (user if isinstance(user, int) else user.id),
            VerificationCode.purpose.contains(purpose),
        )
        code_id = (await db.execute(of_user.order_by(VerificationCode.id.desc()).limit(1))).scalar_one_or_none()
        return None if code_id is None else await CodeService(db, settings).reveal(code_id)

    return newest
