"""The end of what the shop knows about somebody, whoever asks for it: the owner of the account or staff."""

from collections.abc import Sequence
from typing import Any, Protocol
from uuid import uuid4

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import Profile, RefreshToken, User, VerificationCode
from app.domain.activity.models import ActivityLog
from app.domain.catalog.models import Review
from app.domain.customers import queries
from app.domain.devices.models import DeviceToken, NotificationPreference
from app.domain.orders.models import IdempotencyKey

# A hash that no password has.
NO_PASSWORD = "!"  # noqa: S105 - it is none


class PersonalData(Protocol):
    """What a domain further down the line stores about users; `server.py` lists them."""

    name: str

    async def export(self, session: AsyncSession, user_id: int) -> Any:
        """All of it, in values that JSON can show."""
        ...

    async def erase(self, session: AsyncSession, user_id: int) -> None:
        """Whatever need not be kept, in this transaction."""
        ...


async def erase(session: AsyncSession, user_id: int, others: Sequence[PersonalData]) -> None:
    """The account becomes nobody's, in this transaction. Its orders stay, with what is needed to answer for them."""
    nobody = f"deleted-{uuid4().hex}"
    blank = dict.fromkeys(("first_name", "last_name", "dni", "admin_notes"), "")
    gone = {"is_active": False, "email_verified": False, "deleted_at": queries.CLOCK, "password_hash": NO_PASSWORD}
    names = {"username": nobody, "email": f"{nobody}@deleted.invalid"}
    statements = (
        update(User).where(User.id == user_id).values(**blank, **gone, **names),
        update(Profile).where(Profile.user_id == user_id).values(location=None, segments_override=None),
        delete(VerificationCode).where(VerificationCode.user_id == user_id),
        delete(RefreshToken).where(RefreshToken.user_id == user_id),
        delete(DeviceToken).where(DeviceToken.user_id == user_id),
        delete(NotificationPreference).where(NotificationPreference.user_id == user_id),
        delete(IdempotencyKey).where(IdempotencyKey.user_id == user_id),
        delete(Review).where(Review.user_id == user_id),
        # That something was done stays in the log; from where, and which name or address became which, goes.
        update(ActivityLog).where(ActivityLog.user_id == user_id).values(ip_address=None),
        update(ActivityLog).where(*queries.about(user_id)).values(changes={}),
        update(ActivityLog).where(*queries.about_orders(user_id)).values(changes={}),
    )
    for statement in statements:
        await session.execute(statement)
    for other in others:
        await other.erase(session, user_id)
