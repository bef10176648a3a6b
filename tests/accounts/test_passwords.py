"""Which passwords are good enough: Django's four validators, word for word; and how they are hashed."""

import asyncio
import os
import threading
import time

import pytest

from app.domain.accounts.rules.passwords import Owner, password_problems
from app.domain.accounts.service.passwords import NICENESS, THREADS, Passwords, common_passwords

SHORT = "This password is too short. It must contain at least 8 characters."
COMMON = "This password is too common."
NUMERIC = "This password is entirely numeric."
ANA = Owner(username="ana.maria", first_name="Ana María", last_name="Fernández", email="anita@growshop.example.com")


def like(what: str) -> str:
    return f"The password is too similar to the {what}."


@pytest.mark.parametrize(
    ("password", "problems"),
    [
        ("una-clave-larga", []),
        ("x7", [SHORT]),
        ("1234567", [SHORT, COMMON, NUMERIC]),
        ("password", [COMMON]),
        ("PassWord", [COMMON]),
        (" password ", [COMMON]),
        ("0918273645546", [NUMERIC]),
        ("٣٤٥٦٧٨٩٠١٢", [NUMERIC]),
        ("ana.maria", [like("username")]),
        ("ANA.MARIA1", [like("username")]),
        ("anamaria1", [like("username")]),
        ("fernández9", [like("last name")]),
        ("growshop1", [like("email address")]),
        ("anita@growshop.example.com", [like("email address")]),
        ("xkcd-correct-horse", []),
    ],
)
def test_problems_are_djangos_in_its_order(password: str, problems: list[str]) -> None:
    assert Passwords().problems(password, ANA) == problems


@pytest.mark.parametrize(
    ("password", "value", "alike"),
    [
        # The ratio is twice the common letters by all letters: 7 of 10 is enough, a little less is not.
        ("abcdefgxyz", "abcdefgklm", True),
        ("abcdefwxyz", "abcdefklmn", False),
        # What is far shorter than the password tells nothing.
        ("ana-ana-ana-ana-ana-ana-ana-ana", "ana", False),
        ("", "ana", False),
    ],
)
def test_similarity_is_seven_tenths(password: str, value: str, alike: bool) -> None:
    found = password_problems(password, Owner(username=value), frozenset())
    assert (like("username") in found) is alike


def test_nothing_is_known_of_nobody() -> None:
    assert Passwords().problems("una-clave-larga", Owner()) == []


def test_the_common_ones_are_a_real_list() -> None:
    known = common_passwords()
    assert len(known) > 19_000
    assert {"123456", "qwerty", "iloveyou", "contraseña", "trustno1"} & known >= {"123456", "qwerty", "trustno1"}
    assert all(word == word.strip().lower() for word in known)


@pytest.mark.parametrize("password", sorted(common_passwords())[::2000])
def test_every_one_of_the_list_is_refused_in_any_case(password: str) -> None:
    assert COMMON in Passwords().problems(password.upper(), Owner())


@pytest.mark.parametrize(
    "password", ["ñandú🌱" * 10, "é" * 64, "日本語のとても長い合言葉です", "clave\tcon\nblancos  "]
)
def test_long_and_foreign_ones_are_fine(password: str) -> None:
    assert Passwords().problems(password, ANA) == []


def test_judging_takes_no_time_to_speak_of() -> None:
    """1,024 characters, the most that a request may send, against the longest names."""
    owner = Owner(
        username="a-b" * 50, first_name="a b" * 50, last_name="ñ." * 75, email=f"{'a.' * 30}@{'b.' * 90}example.com"
    )
    started = time.perf_counter()
    Passwords().problems("ab" * 512, owner)
    assert time.perf_counter() - started < 0.5


async def test_hashing_steps_back_behind_everything_else() -> None:
    """Few at a time, in threads that let every other one go first."""
    passwords = Passwords()

    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    found = await asyncio.gather(
        *(asyncio.get_running_loop().run_in_executor(passwords._threads, niceness) for _ in range(20))
    )
    assert set(found) == {max(before, NICENESS)}
    assert niceness() == before
    await asyncio.gather(*(passwords.hash(f"clave-larga-{number}") for number in range(6)))
    assert len(passwords._threads._threads) <= THREADS
