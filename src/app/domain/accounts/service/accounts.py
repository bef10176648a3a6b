"""Accounts come into being here, whoever asks: registration, staff, the command line, the demo."""

from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.failures import field_error_of
from app.domain.accounts.models import Profile, User
from app.domain.accounts.rules import normal_email, password_problems, username_problems
from app.domain.accounts.service.passwords import Passwords
from app.errors import Invalid

TAKEN = {
    "uq_users_username": ("username", "A user with that username already exists."),
    "uq_users_email_lower": ("email", "user with this email already exists."),
}


class AccountService:
    """Makes users."""

    def __init__(self, session: AsyncSession, passwords: Passwords) -> None:
        self.session = session
        self.passwords = passwords

    async def create(self, username: str, email: str, password: str, **flags: Any) -> User:
        """A user with its profile, active and verified unless the flags (the user's columns) say otherwise.

        Raises Invalid, by field, for a user name or password that breaks a rule, and when the user name or the e-mail
        is taken, also by somebody who was faster.
        """
        problems = {
            "username": username_problems(username),
            "password": password_problems(password, username=username, email=email),
        }
        if any(problems.values()):
            raise Invalid({field: messages for field, messages in problems.items() if messages})
        user = User(
            username=username,
            email=normal_email(email),
            password_hash=await self.passwords.hash(password),
            profile=Profile(),
            **({"is_active": True, "email_verified": True} | flags),
        )
        try:
            async with self.session.begin_nested():
                self.session.add(user)
                await self.session.flush()
        except IntegrityError as error:
            raise field_error_of(error, TAKEN) or error from error
        return user
