"""A signed-in user asks for a code: for another e-mail, to that address, or for another password, to the own one."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts import queries
from app.domain.accounts.queries import Account
from app.domain.accounts.rules.doors import UserInactive, WrongPassword
from app.domain.accounts.rules.registration import EmailTaken
from app.domain.accounts.schemas.profile import CodeRequest
from app.domain.accounts.service.codes import CodeService
from app.domain.accounts.service.credentials import CredentialService
from app.errors import Invalid
from app.http.fields import REQUIRED
from app.settings import Settings


class ProofService:
    """Mails codes for changes of an account."""

    def __init__(self, session: AsyncSession, settings: Settings, credentials: CredentialService) -> None:
        self.session = session
        self.credentials = credentials
        self.codes = CodeService(session, settings)

    async def ask(self, user_id: int, data: CodeRequest) -> None:
        """Raises WrongPassword, EmailTaken, and Invalid for what is missing.

        Another e-mail needs the password: its code goes to the new address, so a stolen token would be enough to take
        the account over.
        """
        for_email = data.type == "EMAIL_CHANGE"
        missing = [name for name in ("new_email", "password") if for_email and not getattr(data, name)]
        if missing:
            raise Invalid({name: [REQUIRED] for name in missing})
        if data.password and await self.credentials.by_id(user_id, data.password) is None:
            raise WrongPassword
        if for_email and data.new_email and await self._is_taken(data.new_email):
            raise EmailTaken
        found = (await self.session.execute(queries.LOCKED_BY_ID, {"user_id": user_id})).one_or_none()
        if found is None or not found.is_active:
            raise UserInactive
        await self.codes.issue(user_id, data.type, (for_email and data.new_email) or Account(*found).email)

    async def _is_taken(self, email: str) -> bool:
        found = await self.session.execute(queries.BY_EMAIL, {"name": email})
        return found.first() is not None
