"""Races for accounts. Each function is one round and raises Lost when it is lost."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import uuid4

from app.domain.accounts.service.codes import CodeService
from tests.races.arena import Answer, Arena, Buyer, patient
from tests.races.carting import SETTINGS
from tests.races.proof import Lost, expect, hold_that

NOBODY = Buyer(0, {})
DONE, MADE, REFUSED = (200, ""), (201, ""), (400, "")
PASSWORD = "una-clave-larga"
NAME_TAKEN = {"error": ["Este nombre de usuario ya está en uso"]}
WRONG_CODE = {"error": "Código inválido o expirado"}
TRIES = 5

INVARIANTS = {
    "accounts of one e-mail": "SELECT lower(email), count(*) FROM users GROUP BY 1 HAVING count(*) > 1",
    "accounts of one name": "SELECT lower(username), count(*) FROM users GROUP BY 1 HAVING count(*) > 1",
    "an account without its profile": """
        SELECT u.id FROM users u WHERE NOT EXISTS (SELECT FROM profiles p WHERE p.user_id = u.id)
    """,
    "an account that enters without having proved its e-mail": """
        SELECT u.id FROM users u JOIN refresh_tokens t ON t.user_id = u.id WHERE NOT u.email_verified
    """,
}


async def prove(arena: Arena) -> None:
    """What has to be true after every race. Raises Lost."""
    found = []
    for name, statement in INVARIANTS.items():
        found += [f"{name}: {tuple(row)}" for row in (await arena.pool.fetch(statement))[:5]]
    if found:
        raise Lost("; ".join(found))


async def register(arena: Arena, username: str, email: str) -> Answer:
    names = {"username": username, "email": email, "first_name": "Ana", "last_name": "Paz"}
    body = {**names, "password": PASSWORD, "password2": PASSWORD}
    return await arena.ask("POST", "/api/auth/register/", NOBODY, body)


async def verify(arena: Arena, email: str, code: str) -> Answer:
    return await arena.ask("POST", "/api/auth/verify-email/", NOBODY, {"email": email, "code": code})


async def code_of(arena: Arena, user_id: int) -> str:
    """The one that holds, as its mail would tell it."""
    statement = "SELECT id FROM verification_codes WHERE user_id = $1 AND ended_at IS NULL"
    async with arena.sessions() as session:
        found = await CodeService(session, SETTINGS).reveal(await arena.pool.fetchval(statement, user_id))
    assert found is not None
    return found.code


async def state(arena: Arena, user_id: int) -> tuple[Any, ...]:
    """Whether it is active, whether its e-mail is proved, and how often it was let in."""
    row = await arena.pool.fetchrow(
        """SELECT is_active, email_verified, (SELECT count(*) FROM refresh_tokens t WHERE t.user_id = u.id)
             FROM users u WHERE id = $1""",
        user_id,
    )
    return tuple(row)


def one_of(answers: Sequence[Answer], first: tuple[int, str], others: tuple[int, str], what: str) -> list[Answer]:
    """Raises Lost unless exactly one was answered as the first is, and all else as the others are; these."""
    expect(answers, first, others)
    hold_that(sum(answer.status == first[0] for answer in answers) == 1, what)
    return [answer for answer in answers if answer.status == others[0]]


async def one_email(arena: Arena, crowd: int = 6) -> None:
    """C73: one form is sent again and again: one account, told to each, and one code that holds."""
    name = uuid4().hex
    calls = (patient(partial(register, arena, name, f"{name}@example.com")) for _ in range(crowd))
    answers = await asyncio.gather(*calls)
    one_of(answers, MADE, DONE, "not one account was made")
    ids = {answer.body["user_id"] for answer in answers}
    hold_that(len(ids) == 1, f"{len(ids)} accounts were told")
    (user_id,) = ids
    hold_that(await state(arena, user_id) == (False, False, 0), f"the account is {await state(arena, user_id)}")
    expect([await verify(arena, f"{name}@example.com", await code_of(arena, user_id))], DONE)


async def one_name(arena: Arena, crowd: int = 6) -> None:
    """A user name that many want, each with an own e-mail: one has it, the others are told that it is taken."""
    name = uuid4().hex
    calls = (patient(partial(register, arena, name, f"{name}{n}@example.com")) for n in range(crowd))
    answers = await asyncio.gather(*calls)
    refused = one_of(answers, MADE, REFUSED, "not one account was made")
    hold_that(all(each.body == NAME_TAKEN for each in refused), "another refusal")
    made = await arena.pool.fetchval("SELECT count(*) FROM users WHERE email LIKE $1", f"{name}%")
    hold_that(made == 1, f"{made} accounts were made")


async def one_code(arena: Arena, crowd: int = 6) -> None:
    """C73: the right code is sent again and again: it lets in once."""
    user_id, email, code = await _waiting(arena)
    answers = await asyncio.gather(*(patient(partial(verify, arena, email, code)) for _ in range(crowd)))
    refused = one_of(answers, DONE, REFUSED, "not one was let in")
    hold_that(all(each.body == WRONG_CODE for each in refused), "another refusal")
    hold_that(await state(arena, user_id) == (True, True, 1), f"the account is {await state(arena, user_id)}")


async def guessed_codes(arena: Arena, crowd: int = 6) -> None:
    """Wrong codes from both sides are counted together: after five of them the right one is void."""
    user_id, email, code = await _waiting(arena)
    wrong = [f"{(int(code) + n) % 1_000_000:06}" for n in range(1, crowd + 1)]
    answers = await asyncio.gather(*(patient(partial(verify, arena, email, each)) for each in wrong))
    expect(answers, REFUSED)
    tries = await arena.pool.fetchval("SELECT sum(tries) FROM verification_codes WHERE user_id = $1", user_id)
    hold_that(tries == TRIES, f"{tries} guesses were looked at")
    expect([await verify(arena, email, code)], REFUSED)
    hold_that(await state(arena, user_id) == (False, False, 0), f"the account is {await state(arena, user_id)}")


async def _waiting(arena: Arena) -> tuple[int, str, str]:
    """An account that waits for its code: its id, its e-mail, the code."""
    name = uuid4().hex
    answer = await register(arena, name, f"{name}@example.com")
    expect([answer], MADE)
    user_id = int(answer.body["user_id"])
    return user_id, f"{name}@example.com", await code_of(arena, user_id)
