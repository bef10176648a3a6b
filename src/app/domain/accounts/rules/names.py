"""How accounts are named: user names, addresses, the segments of promotions. Pure."""

import re

NEW_SEGMENT = "new"
FREQUENT_SEGMENT = "frequent"
SEGMENTS = (NEW_SEGMENT, FREQUENT_SEGMENT)
_USERNAME = re.compile(r"[\w.@+-]+")


def normal_email(email: str) -> str:
    """The address as it is stored: the domain in lower case, the rest as written."""
    local, at, domain = email.rpartition("@")
    return f"{local}{at}{domain.lower()}"


def username_problems(username: str) -> list[str]:
    """Why a user name cannot be, as Django words it; an empty list when it can."""
    if _USERNAME.fullmatch(username):
        return []
    return ["Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters."]
