"""New accounts and their proof of address on the wire."""

from typing import Annotated

from msgspec import Meta

from app.domain.accounts.models import USERNAME_LENGTH
from app.http.body import Input
from app.http.fields import Email, Password

Username = Annotated[str, Meta(min_length=1, max_length=USERNAME_LENGTH)]


class NewAccountInput(Input):
    """An account that staff make."""

    username: Username
    email: Email
    password: Password
