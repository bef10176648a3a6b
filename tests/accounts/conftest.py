"""What the tests of accounts share: codes as their mails would say them."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import User, VerificationCode
from app.domain.accounts.service.codes import CodeService, RevealedCode
from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from app.settings import Settings

announce(JOBS)
Mailed = Callable[..., Awaitable[RevealedCode]]
Jobs = Callable[[], Awaitable[list[tuple[str, Any]]]]


@pytest.fixture
def mailed(db: AsyncSession, settings: Settings) -> Mailed:
    """The newest code that a user was sent; it has to hold."""

    async def newest(user: User | int, purpose: str = "") -> RevealedCode:
        await db.commit()
        of_user = select(VerificationCode.id).where(
            VerificationCode.user_id == (user if isinstance(user, int) else user.id),
            VerificationCode.purpose.contains(purpose),
        )
        code_id = (await db.execute(of_user.order_by(VerificationCode.id.desc()).limit(1))).scalar_one()
        found = await CodeService(db, settings).reveal(code_id)
        await db.commit()
        assert found is not None
        return found

    return newest


@pytest.fixture
def jobs(db: AsyncSession) -> Jobs:
    """Name and arguments of every job that waits, oldest first."""

    async def waiting() -> list[tuple[str, Any]]:
        await db.commit()
        rows = await db.execute(text("SELECT task_name, args FROM procrastinate_jobs ORDER BY id"))
        return [(name, args) for name, args in rows]

    return waiting


def said(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()


def wrong(code: str, step: int = 1) -> str:
    """Another code."""
    return f"{(int(code) + step) % 1_000_000:06}"
