"""Whether an account may enter, and as what: block, unblock, role."""

from typing import Any, Literal

from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts import queries
from app.domain.accounts.models import User
from app.domain.accounts.queries import Account
from app.domain.accounts.service.token_pairs import TokenPairService
from app.domain.activity.rules import differences
from app.domain.activity.service import ActivityService, Deed
from app.errors import NotFound
from app.http.principal import Principal
from app.settings import Settings

Role = Literal["customer", "staff", "admin"]


class StandingService:
    """Every change that takes something away ends all tokens of the user, in the same transaction.

    `actor` stands in the audit log; None is the command line.
    """

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.pairs = TokenPairService(session, settings)

    async def block(self, user_id: int, notes: str | None, actor: Principal | None) -> str:
        """`notes` is the reason; None keeps the old one, which is returned. Blocking again is fine. Raises NotFound."""
        account = await self._locked(user_id)
        values: dict[str, Any] = {"is_active": False, "blocked_at": func.coalesce(User.blocked_at, func.now())}
        if notes is not None:
            values["admin_notes"] = notes
        blocked = update(User).where(User.id == user_id).values(values).returning(User.admin_notes)
        stored: str = (await self.session.execute(blocked)).scalar_one()
        await self.pairs.end_all(user_id)
        await self._log("block", "Usuario bloqueado", account, {"is_active": False}, actor)
        return stored

    async def unblock(self, user_id: int, actor: Principal | None) -> bool:
        """Whether the account is active now: an unverified one stays so. No old token revives. Raises NotFound."""
        account = await self._locked(user_id)
        active = account.email_verified or account.is_active
        await self.session.execute(update(User).where(User.id == user_id).values(is_active=active, blocked_at=None))
        await self._log("unblock", "Usuario desbloqueado", account, {"is_active": active}, actor)
        return active

    async def set_role(self, user_id: int, role: Role, actor: Principal | None) -> None:
        """Customer, staff, or administrator (superuser). Raises NotFound."""
        account = await self._locked(user_id)
        flags = {"is_staff": role != "customer", "is_superuser": role == "admin"}
        await self.session.execute(update(User).where(User.id == user_id).values(flags))
        await self.pairs.end_all(user_id)
        await self._log("role_change", f"Rol cambiado a {role}", account, flags, actor)

    async def end_sessions(self, user_id: int, actor: Principal | None) -> None:
        """Log out everywhere. Raises NotFound."""
        account = await self._locked(user_id)
        await self.pairs.end_all(user_id)
        await self._log("logout_all", "Todas las sesiones cerradas", account, {}, actor)

    async def _locked(self, user_id: int) -> Account:
        row = (await self.session.execute(queries.LOCKED_BY_ID, {"user_id": user_id})).one_or_none()
        if row is None:
            raise NotFound
        return Account(*row)

    async def _log(
        self, action: str, description: str, account: Account, flags: dict[str, bool], actor: Principal | None
    ) -> None:
        changes = differences({name: getattr(account, name) for name in flags}, flags)
        deed = Deed(object_id=account.id, description=description, changes=changes)
        await ActivityService(self.session).write(actor, action, "user", deed)
