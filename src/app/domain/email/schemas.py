"""What the mail operations take and answer."""

import msgspec

from app.http.body import Input
from app.http.fields import Email


class TrialInput(Input):
    """Where a test mail goes."""

    email: Email


class TrialAnswer(msgspec.Struct):
    message: str
    success: bool = True


class MailConfig(msgspec.Struct):
    """How mails are sent. No secret is among it."""

    configured: bool
    backend: str
    host: str | None
    port: int | None
    use_tls: bool
    from_email: str
