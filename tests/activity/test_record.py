"""Rows of the audit log: written with what they record, without a secret."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.models import ActivityLog
from app.domain.activity.rules import LONGEST_TEXT, differences, safe_text, scrubbed
from app.domain.activity.service import ActivityService, Deed
from app.http.principal import Principal
from tests.factories import make_user

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


async def rows(db: AsyncSession) -> list[ActivityLog]:
    return list((await db.execute(select(ActivityLog).order_by(ActivityLog.id))).scalars())


async def test_a_record_says_who_what_which_and_where_from(db: AsyncSession) -> None:
    user = await make_user(db)
    await ActivityService(db).record(
        actor_id=user.id,
        action="update",
        description="Precio cambiado",
        content_type="product",
        object_id=7,
        changes={"price": [Decimal("10.00"), Decimal("9.50")]},
        address="203.0.113.9",
    )
    await db.commit()
    (row,) = await rows(db)
    assert (row.user_id, row.action, row.description) == (user.id, "update", "Precio cambiado")
    assert (row.content_type, row.object_id, str(row.ip_address)) == ("product", "7", "203.0.113.9")
    assert row.changes == {"price": ["10.00", "9.50"]}


async def test_what_is_rolled_back_was_not_logged(db: AsyncSession) -> None:
    await ActivityService(db).record(
        actor_id=None, action="create", description="x", content_type="product", object_id=1
    )
    await db.rollback()
    assert await rows(db) == []


async def test_nobody_is_an_actor_and_no_address_is_none(db: AsyncSession) -> None:
    record = ActivityService(db).record
    for address in (None, "", "testclient", "300.1.1.1"):
        await record(
            actor_id=None, action="create", description="", content_type="order", object_id="a", address=address
        )
    assert [(row.user_id, row.ip_address, row.changes) for row in await rows(db)] == [(None, None, {})] * 4


async def test_one_row_for_each_object(db: AsyncSession) -> None:
    user = await make_user(db)
    actor = Principal(user.id, user.username, user.email, True, False, address="2001:db8::1")
    deeds = [Deed(object_id=number, description=f"n {number}", changes={"price": [1, 2]}) for number in range(40)]
    await ActivityService(db).write(actor, "update", "product", *deeds)
    found = await rows(db)
    assert [row.object_id for row in found] == [str(number) for number in range(40)]
    assert {(row.user_id, str(row.ip_address)) for row in found} == {(user.id, "2001:db8::1")}
    await ActivityService(db).write(actor, "update", "product")
    assert len(await rows(db)) == 40


async def test_the_command_line_is_nobody(db: AsyncSession) -> None:
    """Its operator has an id that no user has."""
    operator = Principal(0, "command line", "", True, True)
    await ActivityService(db).write(operator, "create", "flashpromo", Deed(object_id=1, description="x"))
    assert [row.user_id for row in await rows(db)] == [None]


async def test_an_unknown_kind_of_object_is_a_defect(db: AsyncSession) -> None:
    with pytest.raises(ValueError, match="gadget"):
        await ActivityService(db).record(
            actor_id=None, action="create", description="", content_type="gadget", object_id=1
        )


@pytest.mark.parametrize(
    "name",
    [
        "password", "old_password", "bypass_password", "password_hash", "token", "fcmToken", "refresh", "access",
        "access_token", "secret", "SECRET_KEY", "apiKey", "auth_key", "cronjob_auth_key", "code", "verification_code",
        "code_hash", "webhookSecret", "signature", "Authorization", "jti", "credentials", "Set-Cookie",
    ],
)  # fmt: skip
def test_private_fields_are_masked(name: str) -> None:
    stored = scrubbed({name: [None, "canary-1234"], "nested": {"deep": [{name: "canary-1234"}]}}, "user")
    assert stored[name] == [None, "***"]
    assert "canary" not in repr(stored)


def test_what_only_looks_private_is_shown() -> None:
    changes = {"shipping_postal_code": ["1414", "1425"], "coupon_code": [None, "DEMO10"], "keyboard": [1, 2]}
    assert scrubbed(changes, "order") == changes
    assert scrubbed({"code": [None, "DEMO10"]}, "coupon") == {"code": [None, "DEMO10"]}
    assert scrubbed({"code": [None, "123456"]}, "user") == {"code": [None, "***"]}


@pytest.mark.parametrize(
    "secret",
    [
        JWT,
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
        "$2b$12$abcdefghijklmnopqrstuv",
        "-----BEGIN PRIVATE KEY-----\nMIIEv\nQIBADAN\n-----END PRIVATE KEY-----",
    ],
)
def test_secrets_are_known_by_their_form(secret: str) -> None:
    stored = scrubbed({"notes": ["before", f"see {secret}"], secret: 1}, "user")
    assert secret not in repr(stored)
    assert stored["notes"] == ["before", "see ***"]
    assert safe_text(f"a {secret}") == "a ***"


def test_values_become_json() -> None:
    value: dict[str, Any] = {
        "id": UUID("6f1c2b34-0000-4000-8000-000000000000"),
        "price": [Decimal("1.10"), None],
        "ratio": float("nan"),
        "text": "x" * 5000,
        "nul": "a\0b",
    }
    stored = scrubbed(value, "product")
    assert stored["id"] == "6f1c2b34-0000-4000-8000-000000000000"
    assert stored["price"] == ["1.10", None]
    assert stored["ratio"] is None
    assert len(stored["text"]) == LONGEST_TEXT
    assert stored["nul"] == "ab"


def test_differences() -> None:
    before = {"name": "A", "price": Decimal("10.00"), "stock": 3, "gone": 1}
    after = {"name": "A", "price": Decimal("10.0"), "stock": 4, "new": None, "came": 2}
    assert differences(before, after) == {"stock": [3, 4], "gone": [1, None], "came": [None, 2]}
    assert differences({}, {"name": "A"}) == {"name": [None, "A"]}
