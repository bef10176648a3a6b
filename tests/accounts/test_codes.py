"""Codes by mail: how they are made and kept, how long and how often they may be tried."""

import asyncio
from typing import Any, get_args

import msgspec
import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.accounts.models import User, VerificationCode
from app.domain.accounts.rules import codes
from app.domain.accounts.rules.codes import PURPOSES, TRIES, Purpose
from app.domain.accounts.service.codes import CodeService
from app.jobs import upkeep
from app.jobs.work import Work
from app.settings import Settings
from tests.accounts.conftest import Jobs, Mailed, wrong
from tests.factories import make_user

Sessions = async_sessionmaker[AsyncSession]
PURPOSE: Purpose = "PASSWORD_RESET"
SECRET = "a-secret-of-a-test-0123456789abcdef"


def test_a_code_follows_from_secret_row_and_salt() -> None:
    made = {
        codes.code_of(secret, code_id, salt)
        for secret in (SECRET, SECRET + "x")
        for code_id in (1, 2)
        for salt in (b"a" * 16, b"b" * 16)
    }
    assert len(made) == 8
    assert codes.code_of(SECRET, 1, b"a" * 16) == codes.code_of(SECRET, 1, b"a" * 16)


def test_codes_are_six_digits_and_use_all_of_them() -> None:
    made = [codes.code_of(SECRET, number, b"salt") for number in range(20_000)]
    assert all(codes.is_code(code) for code in made)
    assert {code[place] for code in made for place in range(6)} == set("0123456789")
    assert sum(code.startswith("0") for code in made) == pytest.approx(2_000, rel=0.1)
    # As many meetings as chance has among so many of a million.
    assert len(set(made)) == pytest.approx(19_801, abs=60)


@pytest.mark.parametrize(
    "text_",
    [
        "",
        "12345",
        "1234567",
        " 123456",
        "123456\n",
        "12345a",
        "\uff11\uff12\uff13\uff14\uff15\uff16",
        "+12345",
        "1_2345",
    ],
)
def test_what_cannot_be_a_code_is_none(text_: str) -> None:
    assert not codes.is_code(text_)


def test_a_digest_is_of_this_row_alone_and_needs_the_secret() -> None:
    digest = codes.digest_of(SECRET, 1, b"salt", "123456")
    assert len(digest) == 32
    others = [
        codes.digest_of(SECRET + "x", 1, b"salt", "123456"),
        codes.digest_of(SECRET, 2, b"salt", "123456"),
        codes.digest_of(SECRET, 1, b"salu", "123456"),
        codes.digest_of(SECRET, 1, b"salt", "123457"),
    ]
    assert digest not in others


@pytest.fixture
async def user(db: AsyncSession) -> User:
    return await make_user(db, email="ana@example.com")


class Desk:
    """Gives out codes and tries them, each in a transaction of its own, under the user's lock as every caller does."""

    def __init__(self, sessions: Sessions, settings: Settings, mailed: Mailed) -> None:
        self.sessions = sessions
        self.settings = settings
        self.mailed = mailed

    async def issue(self, user: User | None, purpose: Purpose = PURPOSE, email: str = "ana@example.com") -> None:
        async with self.sessions() as session, session.begin():
            await self._lock(session, user)
            await CodeService(session, self.settings).issue(user.id if user else None, purpose, email)

    async def prove(self, user: User, code: str, purpose: Purpose = PURPOSE, email: str = "ana@example.com") -> bool:
        async with self.sessions() as session, session.begin():
            await self._lock(session, user)
            return await CodeService(session, self.settings).prove(user.id, purpose, code, email)

    async def _lock(self, session: AsyncSession, user: User | None) -> None:
        user_id = user.id if user else None
        await session.execute(select(User.id).where(User.id == user_id).with_for_update(key_share=True))


@pytest.fixture
def desk(sessions: Sessions, settings: Settings, mailed: Mailed) -> Desk:
    return Desk(sessions, settings, mailed)


async def test_neither_table_nor_queue_holds_the_code(db: AsyncSession, user: User, desk: Desk, jobs: Jobs) -> None:
    await desk.issue(user)
    code = (await desk.mailed(user)).code
    row = (await db.execute(text("SELECT row_to_json(c)::text, c.salt, c.digest FROM verification_codes c"))).one()
    assert (len(row.salt), len(row.digest)) == (16, 32)
    ((name, args),) = await jobs()
    assert (name, list(args)) == ("send_code_mail", ["code_id"])
    for stored in (row.row_to_json, bytes(row.salt), bytes(row.digest), msgspec.json.encode(args)):
        assert (code if isinstance(stored, str) else code.encode()) not in stored


async def test_a_right_code_proves_once(user: User, desk: Desk) -> None:
    await desk.issue(user)
    code = (await desk.mailed(user)).code
    assert await desk.prove(user, code)
    assert not await desk.prove(user, code)


async def test_a_code_lives_ten_minutes_by_the_databases_clock(db: AsyncSession, user: User, desk: Desk) -> None:
    await desk.issue(user)
    code = await desk.mailed(user)
    life = (await db.execute(select(VerificationCode.expires_at - func.now()))).scalar_one()
    assert 595 < life.total_seconds() <= 600
    await db.execute(update(VerificationCode).values(expires_at=func.clock_timestamp()))
    await db.commit()
    assert not await desk.prove(user, code.code)


async def test_five_wrong_ones_void_a_code_and_count_although_they_are_refused(
    db: AsyncSession, user: User, desk: Desk
) -> None:
    await desk.issue(user)
    code = (await desk.mailed(user)).code
    for number in range(1, TRIES + 1):
        assert not await desk.prove(user, wrong(code, number))
        await db.commit()
        assert (await db.execute(select(VerificationCode.tries))).scalar_one() == number
    assert not await desk.prove(user, code)


async def test_the_fifth_try_still_counts_for_the_owner(user: User, desk: Desk) -> None:
    await desk.issue(user)
    code = (await desk.mailed(user)).code
    assert [await desk.prove(user, wrong(code, number)) for number in range(1, TRIES)] == [False] * (TRIES - 1)
    assert await desk.prove(user, code)


async def test_what_cannot_be_a_code_costs_no_try(db: AsyncSession, user: User, desk: Desk) -> None:
    await desk.issue(user)
    for bad in ("", "12345", "1234567", "abcdef", "\uff11\uff12\uff13\uff14\uff15\uff16"):
        assert not await desk.prove(user, bad)
    assert (await db.execute(select(VerificationCode.tries))).scalar_one() == 0
    assert await desk.prove(user, (await desk.mailed(user)).code)


@pytest.mark.parametrize("other", [purpose for purpose in PURPOSES if purpose != PURPOSE])
async def test_a_code_is_for_its_purpose(user: User, desk: Desk, other: Purpose) -> None:
    await desk.issue(user)
    code = (await desk.mailed(user)).code
    assert not await desk.prove(user, code, other)
    assert await desk.prove(user, code)


async def test_a_code_is_for_its_user(db: AsyncSession, user: User, desk: Desk) -> None:
    other = await make_user(db)
    await desk.issue(user)
    await desk.issue(other)
    code = (await desk.mailed(user)).code
    assert not await desk.prove(other, code)
    assert await desk.prove(user, code)


async def test_a_code_is_for_its_address(user: User, desk: Desk) -> None:
    await desk.issue(user, "EMAIL_CHANGE", "new@example.com")
    code = (await desk.mailed(user)).code
    assert not await desk.prove(user, code, "EMAIL_CHANGE", "other@example.com")
    assert await desk.prove(user, code, "EMAIL_CHANGE", "NEW@example.com")


async def test_a_new_code_voids_the_one_before_of_its_purpose_alone(user: User, desk: Desk) -> None:
    await desk.issue(user, "EMAIL_CHANGE")
    await desk.issue(user)
    first = (await desk.mailed(user)).code
    await desk.issue(user)
    assert not await desk.prove(user, first)
    assert await desk.prove(user, (await desk.mailed(user, PURPOSE)).code)
    assert await desk.prove(user, (await desk.mailed(user, "EMAIL_CHANGE")).code, "EMAIL_CHANGE")


async def test_a_mail_is_made_of_a_live_code_alone(
    db: AsyncSession, settings: Settings, user: User, desk: Desk
) -> None:
    await desk.issue(user)
    first = await desk.mailed(user)
    assert (first.user_id, first.email, first.purpose) == (user.id, "ana@example.com", PURPOSE)
    await desk.issue(user)
    second = await desk.mailed(user)
    assert await desk.prove(user, second.code)
    for code_id in (first.id, second.id, 0, second.id + 1000):
        assert await CodeService(db, settings).reveal(code_id) is None


async def test_codes_outlive_a_change_of_the_secret(
    db: AsyncSession, settings: Settings, user: User, desk: Desk
) -> None:
    await desk.issue(user)
    code = await desk.mailed(user)
    changed = msgspec.structs.replace(settings, secret_key=SECRET, secret_key_previous=settings.secret_key)
    service = CodeService(db, changed)
    assert await service.reveal(code.id) == code
    assert await service.prove(user.id, PURPOSE, code.code, code.email)
    forgotten = msgspec.structs.replace(settings, secret_key=SECRET)
    await db.rollback()
    assert await CodeService(db, forgotten).reveal(code.id) is None


@pytest.mark.races
async def test_of_50_parallel_right_tries_one_proves(user: User, desk: Desk, full_rounds: bool) -> None:
    for _ in range(20 if full_rounds else 2):
        await desk.issue(user)
        code = (await desk.mailed(user)).code
        assert sum(await asyncio.gather(*(desk.prove(user, code) for _ in range(50)))) == 1


@pytest.mark.races
async def test_of_50_parallel_wrong_tries_five_are_looked_at(db: AsyncSession, user: User, desk: Desk) -> None:
    await desk.issue(user)
    code = (await desk.mailed(user)).code
    guesses = [wrong(code, number) for number in range(1, 51)]
    assert not any(await asyncio.gather(*(desk.prove(user, guess) for guess in guesses)))
    await db.commit()
    assert (await db.execute(select(func.sum(VerificationCode.tries)))).scalar_one() == TRIES
    assert not await desk.prove(user, code)


@pytest.mark.races
async def test_of_parallel_new_codes_one_is_live(db: AsyncSession, user: User, desk: Desk) -> None:
    await asyncio.gather(*(desk.issue(user) for _ in range(20)))
    live = select(func.count()).where(VerificationCode.ended_at.is_(None))
    assert (await db.execute(live)).scalar_one() == 1
    newest = select(VerificationCode.ended_at).order_by(VerificationCode.id.desc()).limit(1)
    assert (await db.execute(newest)).scalar_one() is None


async def test_many_wrong_tries_of_a_day_end_the_codes_but_leave_the_last_one(
    db: AsyncSession, user: User, desk: Desk
) -> None:
    """New codes bring new tries: a guesser with any number of addresses gets fifty a day."""
    for _ in range(codes.TRIES_A_DAY // TRIES):
        await desk.issue(user)
        code = (await desk.mailed(user)).code
        for number in range(1, TRIES + 1):
            await desk.prove(user, wrong(code, number))
    before = await _issued(db, user)
    await desk.issue(user)
    assert await _issued(db, user) == before
    await desk.issue(user, "EMAIL_CHANGE")
    assert await _issued(db, user) == before + 1
    await db.execute(update(VerificationCode).values(created_at=func.now() - text("interval '25 hours'")))
    await db.commit()
    await desk.issue(user)
    assert await desk.prove(user, (await desk.mailed(user)).code)


async def test_a_mailbox_is_not_flooded(
    db: AsyncSession, user: User, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "CODES_AN_HOUR", 3)
    for _ in range(3):
        await desk.issue(user)
    last = await desk.mailed(user)
    await desk.issue(user)
    assert await _issued(db, user) == 3
    assert await desk.prove(user, last.code)


async def _issued(db: AsyncSession, user: User) -> int:
    await db.commit()
    return (await db.execute(select(func.count()).where(VerificationCode.user_id == user.id))).scalar_one()


async def test_nobodys_codes_do_the_same_and_nothing(
    db: AsyncSession, settings: Settings, desk: Desk, jobs: Jobs
) -> None:
    await desk.issue(None)
    row = (await db.execute(select(VerificationCode))).scalar_one()
    assert (row.user_id, row.email, row.purpose) == (None, "", PURPOSE)
    assert row.ended_at is not None
    assert await jobs() == [("send_code_mail", {"code_id": row.id})]
    assert await CodeService(db, settings).reveal(row.id) is None
    assert not await CodeService(db, settings).prove(None, PURPOSE, "123456", "ana@example.com")


@pytest.mark.parametrize(
    "values",
    [{"purpose": "OTHER"}, {"tries": 6}, {"tries": -1}, {"user_id": None}, {"user_id": 0}, {"email": "x" * 255}],
)
async def test_the_database_holds_the_rules(db: AsyncSession, user: User, desk: Desk, values: dict[str, Any]) -> None:
    await desk.issue(user)
    with pytest.raises(DBAPIError):
        await db.execute(update(VerificationCode).values(values))


async def test_two_live_codes_of_a_purpose_cannot_be(db: AsyncSession, user: User, desk: Desk) -> None:
    await desk.issue(user)
    await desk.issue(user)
    with pytest.raises(IntegrityError, match="uq_verification_codes_live"):
        await db.execute(update(VerificationCode).values(ended_at=None))


async def test_old_ones_are_forgotten(
    db: AsyncSession, sessions: Sessions, settings: Settings, user: User, desk: Desk
) -> None:
    await desk.issue(user)
    await desk.issue(None)
    await db.execute(update(VerificationCode).values(created_at=func.now() - text("interval '49 hours'")))
    await db.commit()
    await desk.issue(user)
    assert await upkeep.forget_old_codes.run(Work(settings, sessions)) == 2
    assert await _issued(db, user) == 1
    assert (await desk.mailed(user)).purpose == PURPOSE


def test_every_purpose_is_one() -> None:
    assert get_args(Purpose) == ("EMAIL_VERIFICATION", "PASSWORD_RESET", "EMAIL_CHANGE", "PASSWORD_CHANGE")
