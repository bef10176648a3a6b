"""The caller's own account on the wire."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.domain.accounts.models import EMAIL_LENGTH, NAME_LENGTH
from app.domain.accounts.schemas.doors import AuthUser
from app.http.body import Input
from app.http.fields import Email, Password
from app.http.geo import GeoPoint

PersonName = Annotated[str, Meta(max_length=NAME_LENGTH)]
# Where an empty text stands for none.
MaybeCode = Annotated[str, Meta(max_length=32)]
MaybeEmail = Annotated[str, Meta(max_length=EMAIL_LENGTH, extra={"email": True})]
MaybePassword = Annotated[str, Meta(max_length=1024, extra={"trim": False})]


class ProfileInput(Input):
    """What users may change about themselves; what is absent stays."""

    first_name: PersonName | UnsetType = UNSET
    last_name: PersonName | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    verification_code: MaybeCode | UnsetType | None = UNSET
    location: GeoPoint | UnsetType | None = UNSET


class PasswordChangeInput(Input):
    """The code is for who asked for one; nobody has to."""

    old_password: Password
    new_password: Password
    verification_code: MaybeCode | None = None


class CodeRequest(Input):
    """What a code is wanted for. `new_email` and the password belong to EMAIL_CHANGE."""

    type: Literal["EMAIL_CHANGE", "PASSWORD_CHANGE"]
    new_email: MaybeEmail | None = None
    password: MaybePassword | None = None


class Me(AuthUser):
    """The caller's own profile; `location` is where promotions look for them."""

    location: GeoPoint | None = None


class AdminVerdict(msgspec.Struct, kw_only=True):
    """Whether the caller is an administrator; a refusal names nobody."""

    is_admin: bool
    is_staff: bool
    username: str | UnsetType = UNSET
    message: Literal["User has admin permissions", "User is not an administrator"]
