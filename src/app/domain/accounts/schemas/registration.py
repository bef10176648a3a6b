"""New accounts, the proof of an e-mail and what it opens, on the wire."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.domain.accounts.models import NAME_LENGTH, NOTES_LENGTH, USERNAME_LENGTH
from app.domain.accounts.schemas.doors import CartId
from app.http.body import Input
from app.http.fields import Email, Password

Username = Annotated[str, Meta(min_length=1, max_length=USERNAME_LENGTH)]
GivenName = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH)]
CodeText = Annotated[str, Meta(min_length=1, max_length=32)]

REGISTERED = "Usuario registrado. Por favor verifica tu email para activar tu cuenta."
RESENT = "Ya existe una cuenta con este email o usuario sin validar. Te reenviamos el código de verificación."
VERIFIED = "Email verificado exitosamente"
CHANGED = "Contraseña actualizada correctamente"


class NewAccountInput(Input):
    """An account that staff make."""

    username: Username
    email: Email
    password: Password


class NewPasswordInput(Input):
    """A password that the command line sets."""

    password: Password


class BlockReason(Input):
    """Why the command line blocks."""

    reason: Annotated[str, Meta(max_length=NOTES_LENGTH)]


class RegisterInput(Input):
    """An account that somebody makes for themselves."""

    username: Username
    password: Password
    password2: Password
    email: Email
    first_name: GivenName
    last_name: GivenName


class AddressInput(Input):
    """Where a code shall go."""

    email: Email


class VerifyEmailInput(Input):
    """The code that was mailed."""

    code: CodeText
    email: Email
    anonymous_cart_id: CartId | None = None


class ResetInput(Input):
    """The code that was mailed, and the password that shall hold from now on."""

    email: Email
    code: CodeText
    new_password: Password


class RegisteredAnswer(msgspec.Struct, kw_only=True):
    """201 with an account that was made; 200 and `resend` with one that was there: both wait for their code."""

    message: str
    user_id: int
    email: str
    resend: Literal[True] | UnsetType = UNSET


class Message(msgspec.Struct):
    """What was done, for people."""

    message: str


class VerifiedAnswer(msgspec.Struct, kw_only=True):
    """`token` and `access` are the same access token."""

    message: str = VERIFIED
    token: str
    access: str
    refresh: str
    cart_linked: bool
    cart_id: int | None


class PasswordChanged(msgspec.Struct, kw_only=True):
    """The only pair of the user that lives."""

    message: str = CHANGED
    access: str
    refresh: str
