"""Users as the shop's staff see them, on the wire."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.domain.accounts.models import DNI_LENGTH, NOTES_LENGTH
from app.domain.accounts.schemas.profile import PersonName
from app.domain.accounts.schemas.registration import Username
from app.http.body import Input
from app.http.fields import Email, Password

Dni = Annotated[str, Meta(max_length=DNI_LENGTH)]
Notes = Annotated[str, Meta(max_length=NOTES_LENGTH)]


class Customer(msgspec.Struct):
    """A customer with what they bought: temporary and abandoned orders do not count, unpaid ones are not spent."""

    id: int
    username: str
    email: str
    dni: str
    name: str
    date_joined: dt.datetime
    total_orders: int
    total_spent: Decimal
    last_purchase: dt.datetime | None
    is_active: bool
    admin_notes: str


class NewCustomerInput(Input):
    """A customer that staff make; active at once."""

    username: Username
    email: Email
    password: Password
    dni: Dni = ""


class CustomerInput(Input):
    """What staff write of a customer. Whether one may enter is for block and unblock."""

    username: Username
    email: Email
    first_name: PersonName | UnsetType = UNSET
    last_name: PersonName | UnsetType = UNSET
    dni: Dni | UnsetType = UNSET
    admin_notes: Notes | UnsetType = UNSET


class CustomerPatch(CustomerInput):
    """`segments_override` replaces the rules of the promotions' segments; null brings them back."""

    segments_override: list[Literal["new", "frequent"]] | UnsetType | None = UNSET


class BlockInput(Input):
    """The reason, for staff alone; without it the notes stay."""

    admin_notes: Notes | None = None


class BlockAnswer(msgspec.Struct):
    message: str
    is_active: bool
    admin_notes: str


class UnblockAnswer(msgspec.Struct):
    """An account that never proved its e-mail is not active after it either."""

    message: str
    is_active: bool


class DeletionInput(Input):
    """Whoever deletes the own account says the password once more."""

    password: Password
