"""Marketing mails, ended by who gets them."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.tokens import signing_secrets
from app.domain.email import queries
from app.domain.email.rules import unsubscribing
from app.domain.email.rules.kinds import MARKETING
from app.errors import NotFound
from app.settings import Settings


class SubscriptionService:
    """Reads tokens of mails that were sent."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.secrets = signing_secrets(settings.secret_key, settings.secret_key_previous)

    async def mail_of(self, token: str) -> int:
        """The mail whose token this is. Raises NotFound."""
        mail_id = unsubscribing.mail_of(self.secrets, token)
        values = {"id": mail_id, "marketing": list(MARKETING)}
        if mail_id is None or not await self.session.scalar(queries.IS_KNOWN, values):
            raise NotFound
        return mail_id

    async def end(self, token: str) -> None:
        """No more marketing to the address that this mail went to, however often it says so. Raises NotFound."""
        await self.session.execute(queries.UNSUBSCRIBED, {"id": await self.mail_of(token)})
