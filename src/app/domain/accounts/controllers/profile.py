"""The caller's own account."""

from litestar import Controller, Response, get, put
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.schemas.profile import AdminVerdict, Me, ProfileInput
from app.domain.accounts.service.profiles import OwnProfile, ProfileService
from app.http.guards import signed_in
from app.http.openapi.hints import ERRORS
from app.http.principal import Principal
from app.http.throttling import THROTTLE


class ProfileController(Controller):
    """`/api/auth/me/` and `/api/auth/verify-admin/`."""

    path = "/api/auth"
    tags = ("auth",)

    @get("/me/", guards=[signed_in], operation_id="auth_me_retrieve")
    async def me(self, session: NamedDependency[AsyncSession], user: NamedDependency[Principal]) -> Me:
        return _me(await ProfileService(session, user.id).read())

    @put("/me/", guards=[signed_in], operation_id="auth_me_update", opt={THROTTLE: "profile_update"})
    async def update_me(
        self, data: ProfileInput, session: NamedDependency[AsyncSession], user: NamedDependency[Principal]
    ) -> Me:
        return _me(await ProfileService(session, user.id).change(data.given()))

    @get("/verify-admin/", guards=[signed_in], operation_id="auth_verify_admin", opt={ERRORS: (403,)})
    async def verify_admin(self, user: NamedDependency[Principal]) -> Response[AdminVerdict]:
        if not user.is_admin:
            refusal = AdminVerdict(is_admin=False, is_staff=False, message="User is not an administrator")
            return Response(refusal, status_code=403)
        verdict = AdminVerdict(
            is_admin=True, is_staff=True, username=user.username, message="User has admin permissions"
        )
        return Response(verdict)


def _me(own: OwnProfile) -> Me:
    account = own.account
    return Me(
        id=account.id,
        username=account.username,
        email=account.email,
        first_name=account.first_name,
        last_name=account.last_name,
        is_staff=account.is_staff,
        is_superuser=account.is_superuser,
        location=own.location,
    )
