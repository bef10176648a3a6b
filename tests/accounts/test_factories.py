import httpx
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import Profile, User
from tests.factories import make_user


async def test_a_made_user_is_stored_with_its_profile(client: httpx.AsyncClient, db: AsyncSession) -> None:
    user = await make_user(db, location=(-34.6, -58.4), first_name="Beto")
    stored = (await db.execute(select(User.first_name, User.is_active).where(User.id == user.id))).one()
    assert tuple(stored) == ("Beto", True)
    assert (await db.execute(select(Profile.user_id).where(Profile.location.is_not(None)))).scalar_one() == user.id
