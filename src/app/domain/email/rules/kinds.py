"""Which mails there are, and for how long each is worth another try. Pure."""

import datetime as dt
from typing import Literal, get_args

CodeKind = Literal["verification", "password_reset", "email_change", "password_change"]
OrderKind = Literal["order_created", "payment_received", "order_shipped"]
MarketingKind = Literal["cart_reminder"]
StaffKind = Literal["webhook_disabled"]
Kind = CodeKind | OrderKind | MarketingKind | StaffKind
Status = Literal["queued", "sending", "sent", "failed", "suppressed"]
Reason = Literal["bounced", "unsubscribed"]

CODE_KINDS: tuple[CodeKind, ...] = get_args(CodeKind)
ORDER_KINDS: tuple[OrderKind, ...] = get_args(OrderKind)
MARKETING: tuple[MarketingKind, ...] = get_args(MarketingKind)
STAFF: tuple[StaffKind, ...] = get_args(StaffKind)
KINDS: tuple[str, ...] = (*CODE_KINDS, *ORDER_KINDS, *MARKETING, *STAFF)
STATUSES: tuple[Status, ...] = get_args(Status)
REASONS: tuple[Reason, ...] = get_args(Reason)

# By what a code is for, in the words of the accounts.
KIND_OF_PURPOSE: dict[str, CodeKind] = {
    "EMAIL_VERIFICATION": "verification",
    "PASSWORD_RESET": "password_reset",
    "EMAIL_CHANGE": "email_change",
    "PASSWORD_CHANGE": "password_change",
}

# Longer than a job that sends may take: whoever is busy for longer is dead.
BUSY_SECONDS = 90
# Mail servers are down for a weekend. What a code says ends with the code.
WORTH_TRYING = dt.timedelta(hours=48)
# A certificate mends itself only by a person's hand.
FEW_TRIES = 12
# A mailbox that did not exist may have been made since.
BOUNCED_DAYS = 30
# Without a person's hand the credentials are tried again after this.
HALT_MINUTES = 15
# A mail that was meant to be read and unsubscribed from is remembered for as long as that may happen.
KEEP_DAYS = 90
KEEP_MARKETING_DAYS = 730


def is_worth_trying(age: dt.timedelta, attempts: int, *, few: bool) -> bool:
    """Whether a mail that failed for now is tried again. `few` says that only a person can mend what is wrong."""
    return age < WORTH_TRYING and (not few or attempts < FEW_TRIES)
