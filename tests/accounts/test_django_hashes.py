"""Password hashes that came from Django: what is verified, what never is, and what a failure costs."""

import base64
import hashlib

import pytest
from argon2 import PasswordHasher

from app.domain.accounts.rules.django_hashes import MOST_ITERATIONS, Work, read_django_hash
from app.domain.accounts.service import passwords as service
from app.domain.accounts.service.passwords import Passwords


def pbkdf2(password: str, iterations: int = 1000, salt: str = "sal") -> str:
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), iterations)
    return f"pbkdf2_sha256${iterations}${salt}${base64.b64encode(digest).decode()}"


def argon2(password: str, **costs: int) -> str:
    return "argon2" + PasswordHasher(**{"time_cost": 1, "memory_cost": 64, "parallelism": 1, **costs}).hash(password)


@pytest.mark.parametrize("stored", [pbkdf2("ñandú-1"), argon2("ñandú-1")], ids=["pbkdf2", "argon2"])
async def test_the_right_password_and_no_other(stored: str) -> None:
    passwords = Passwords()
    assert passwords.outdated(stored)
    assert await passwords.matches("ñandú-1", stored)
    assert not await passwords.matches("nandu-1", stored)
    assert not await passwords.matches("", stored)
    assert not passwords.outdated(await passwords.hash("ñandú-1"))


def test_a_hash_of_djangos_own() -> None:
    """Made by Django 5.2 with a salt that was set."""
    made = "pbkdf2_sha256$1000$seasalt$"
    digest = hashlib.pbkdf2_hmac("sha256", b"x", b"seasalt", 1000)
    found = read_django_hash(made + base64.b64encode(digest).decode())
    assert found is not None
    assert found.verify("x")


GOOD = pbkdf2("x")


NEVER = [
    "",
    "!",
    "!pbkdf2_sha256",
    "x",
    GOOD.replace("sha256", "sha1"),
    GOOD.replace("$1000$", f"${MOST_ITERATIONS + 1}$"),
    GOOD.replace("$1000$", "$99999999$"),
    GOOD.replace("$1000$", "$0$"),
    GOOD.replace("$1000$", "$-1$"),
    GOOD[:-4],
    GOOD + "\n",
    "md5$sal$0cc175b9c0f1b6a831c399e269772661",
    "bcrypt_sha256$$2b$12$abcdefghijklmnopqrstuuMJkFd9Qb2B9Qb2B9Qb2B9Qb2B9Qb2B9",
    argon2("x").replace("m=64", "m=99999999"),
    argon2("x").replace("t=1", "t=9000"),
    argon2("x").replace("p=1", "p=64"),
    "argon2$argon2id$v=19$nonsense-that-is-long",
]


# Salts differ from process to process, and names of tests must not.
@pytest.mark.parametrize("stored", NEVER, ids=[str(number) for number in range(len(NEVER))])
async def test_what_never_verifies(stored: str) -> None:
    assert read_django_hash(stored) is None
    assert not await Passwords().matches("x", stored)


async def test_every_failure_costs_what_the_dearest_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether there is an account, and how its password is stored, is not to be read off a clock."""
    passwords, spent, ours = Passwords(), list[Work](), []
    verify = Passwords._verify_ours
    monkeypatch.setattr(service, "spend", spent.append)
    monkeypatch.setattr(Passwords, "_verify_ours", lambda self, *given: ours.append(1) or verify(self, *given))
    dear, cheap = pbkdf2("x", 3000), pbkdf2("x", 1000)
    assert await passwords.matches("x", dear)
    assert (spent, ours) == ([], [])
    mine = await passwords.hash("x")
    for stored, more in ((None, 3000), (mine, 3000), (cheap, 2000), (dear, 0), ("!", 3000)):
        spent.clear()
        ours.clear()
        assert not await passwords.matches("y", stored)
        assert (spent, ours) == ([Work(more)], [1])
    spent.clear()
    assert await passwords.matches("x", mine)
    assert spent == []
    assert not await passwords.matches("y", argon2("x"))
    assert spent == [Work(3000)]
    spent.clear()
    assert not await passwords.matches("y", None)
    assert spent == [Work(3000), Work(0, 64, 1, 1)]


async def test_another_thread_meets_a_scheme_while_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords()
    assert await passwords.matches("x", pbkdf2("x"))

    def meanwhile(_work: Work) -> None:
        assert passwords._verify("x", argon2("x"))

    monkeypatch.setattr(service, "spend", meanwhile)
    assert not await passwords.matches("x", None)
