"""Who may register, and when the answer is another code instead of another account. Pure."""

from collections.abc import Sequence
from typing import Any

from app.errors import Refused

EMAIL_TAKEN = "Este email ya está registrado"
USERNAME_TAKEN = "Este nombre de usuario ya está en uso"
PASSWORDS_DIFFER = "Las contraseñas no coinciden"


class RegistrationRefused(Refused):
    """No account was made. Its answer lists the reasons under `error`."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons

    def body(self) -> dict[str, Any]:
        return {"error": list(self.reasons)}


class EmailTaken(Refused):
    """Este email ya está registrado"""


def unverified_holder(email: str, known: Sequence[Any]) -> Any | None:
    """Of the accounts with the wanted user name or e-mail, the one that only lacks its proof of this very e-mail.

    None when there is no account at all. Raises RegistrationRefused when the e-mail belongs to somebody, or the user
    name to an account with another e-mail: to that address nothing is sent.
    """
    holder = next((account for account in known if account.email.lower() == email.lower()), None)
    if holder is not None and (holder.email_verified or holder.is_active or holder.blocked_at is not None):
        raise RegistrationRefused(EMAIL_TAKEN)
    if any(account is not holder for account in known):
        raise RegistrationRefused(USERNAME_TAKEN)
    return holder
