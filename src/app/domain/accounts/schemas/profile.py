"""The caller's own account on the wire."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.domain.accounts.models import NAME_LENGTH
from app.domain.accounts.schemas.doors import AuthUser
from app.http.body import Input
from app.http.fields import Email
from app.http.geo import GeoPoint

PersonName = Annotated[str, Meta(max_length=NAME_LENGTH)]


class ProfileInput(Input):
    """What users may change about themselves; what is absent stays."""

    first_name: PersonName | UnsetType = UNSET
    last_name: PersonName | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    verification_code: Annotated[str, Meta(max_length=32)] | UnsetType | None = UNSET
    location: GeoPoint | UnsetType | None = UNSET


class Me(AuthUser):
    """The caller's own profile; `location` is where promotions look for them."""

    location: GeoPoint | None = None


class AdminVerdict(msgspec.Struct, kw_only=True):
    """Whether the caller is an administrator; a refusal names nobody."""

    is_admin: bool
    is_staff: bool
    username: str | UnsetType = UNSET
    message: Literal["User has admin permissions", "User is not an administrator"]
