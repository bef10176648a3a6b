"""Which passwords are too weak, as Django's four validators judge and word it. Pure."""

import re
from collections.abc import Container, Iterable
from difflib import SequenceMatcher

import msgspec

MIN_LENGTH = 8
MAX_SIMILARITY = 0.7
TOO_SHORT = f"This password is too short. It must contain at least {MIN_LENGTH} characters."
TOO_COMMON = "This password is too common."
NUMERIC = "This password is entirely numeric."


class Owner(msgspec.Struct, frozen=True):
    """What is known of the person whose password it is; the password shall not look like any of it."""

    username: str = ""
    first_name: str = ""
    last_name: str = ""
    email: str = ""


_NAMES = {"username": "username", "first_name": "first name", "last_name": "last name", "email": "email address"}


def password_problems(password: str, owner: Owner, common: Container[str]) -> list[str]:
    """Why a new password is too weak; an empty list when it is not. `common` holds known passwords in lower case."""
    problems = []
    alike = next((name for name in _NAMES if _resembles(password.lower(), getattr(owner, name).lower())), None)
    if alike is not None:
        problems.append(f"The password is too similar to the {_NAMES[alike]}.")
    if len(password) < MIN_LENGTH:
        problems.append(TOO_SHORT)
    if password.lower().strip() in common:
        problems.append(TOO_COMMON)
    if password.isdigit():
        problems.append(NUMERIC)
    return problems


def _resembles(password: str, value: str) -> bool:
    return any(
        SequenceMatcher(a=password, b=part).quick_ratio() >= MAX_SIMILARITY
        for part in _parts(value)
        if not _far_shorter(password, part)
    )


def _parts(value: str) -> Iterable[str]:
    return {part for part in (*re.split(r"\W+", value), value) if part}


def _far_shorter(password: str, part: str) -> bool:
    """Whether a part is so short beside the password that comparing them would tell nothing."""
    return len(password) >= 10 * len(part) and len(part) < MAX_SIMILARITY / 2 * len(password)
