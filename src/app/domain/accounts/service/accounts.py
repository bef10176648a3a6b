"""Accounts come into being here, whoever asks: registration, staff, the command line, the demo."""

from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.failures import field_error_of
from app.domain.accounts.models import Profile, User
from app.domain.accounts.rules.names import normal_email, username_problems
from app.domain.accounts.rules.passwords import Owner
from app.domain.accounts.service.passwords import Passwords
from app.errors import Invalid

EMAIL_CONSTRAINT = "uq_users_email_lower"
TAKEN = {
    "uq_users_username": ("username", "A user with that username already exists."),
    EMAIL_CONSTRAINT: ("email", "user with this email already exists."),
}


class AccountService:
    """Makes users."""

    def __init__(self, session: AsyncSession, passwords: Passwords) -> None:
        self.session = session
        self.passwords = passwords

    async def create(self, username: str, email: str, password: str, **fields: Any) -> User:
        """A user with its profile, active and verified unless the fields (the user's columns) say otherwise.

        Raises Invalid, by field, for a user name or password that breaks a rule, and when the user name or the e-mail
        is taken, also by somebody who was faster.
        """
        names = {name: fields.get(name, "") for name in ("first_name", "last_name")}
        problems = {
            "username": username_problems(username),
            "password": self.passwords.problems(password, Owner(username=username, email=email, **names)),
        }
        if any(problems.values()):
            raise Invalid({field: messages for field, messages in problems.items() if messages})
        return await self.add(username, email, await self.passwords.hash(password), **fields)

    async def add(self, username: str, email: str, password_hash: str, **fields: Any) -> User:
        """As `create`, with a password that has been judged and hashed already."""
        user = User(
            username=username,
            email=normal_email(email),
            password_hash=password_hash,
            profile=Profile(),
            **({"is_active": True, "email_verified": True} | fields),
        )
        try:
            async with self.session.begin_nested():
                self.session.add(user)
                await self.session.flush()
        except IntegrityError as error:
            raise field_error_of(error, TAKEN) or error from error
        return user
