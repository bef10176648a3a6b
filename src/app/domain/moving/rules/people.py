"""Users of theirs as ours. Pure."""

from collections.abc import Mapping
from typing import Any

from app.domain.accounts.rules.django_hashes import read_django_hash
from app.domain.accounts.rules.names import normal_email, username_problems
from app.domain.moving.rules.judging import Row, Unfit, words

NO_PASSWORD = "!"  # noqa: S105 - it is none


def user_values(row: Row) -> dict[str, Any]:
    """The account's columns. Raises Unfit."""
    username, email = words(row, "username"), words(row, "email")
    if problems := username_problems(username):
        raise Unfit(f"the user name {username!r} cannot be: {problems[0]}")
    local, _, domain = email.rpartition("@")
    if not local or "." not in domain:
        raise Unfit(f"its e-mail {email!r} is none")
    return {
        "username": username,
        "email": normal_email(email),
        **{name: words(row, name) for name in ("first_name", "last_name", "dni", "admin_notes")},
        **{name: row[name] for name in ("is_staff", "is_superuser", "date_joined")},
        **_standing(row),
        "password_hash": row["password"] if read_django_hash(row["password"]) else NO_PASSWORD,
    }


def password_note(row: Row) -> str | None:
    """What is to be said of a password that cannot be taken along."""
    stored: str = row["password"]
    if read_django_hash(stored) is not None or stored.startswith("!") or not stored:
        return None
    return f"its password is stored as {stored.partition('$')[0][:30]!r}, which is not verified here: to be set anew"


def _standing(row: Row) -> Mapping[str, bool]:
    """Active, blocked, or not verified yet: whoever is shut out after a login, an order or a note of staff is blocked.

    Theirs may keep one flag for the two reasons; an unverified account could let itself in again by a code.
    """
    if row["is_active"]:
        return {"is_active": True, "email_verified": bool(row.get("email_verified", True)), "blocked": False}
    known = bool(row.get("email_verified") or row.get("last_login") or words(row, "admin_notes") or row["orders"])
    return {"is_active": False, "email_verified": known, "blocked": known}
