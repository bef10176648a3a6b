"""Secrets that are planted, and where one of them has been seen that should not have been."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote

# Numbers that are no secret wherever they stand: parts of a second, which six digits of a code may equal by chance.
_FRACTIONS = re.compile(r"\.\d+")
_SHORT = re.compile(r"\d{4,8}")


class Seen(NamedTuple):
    """A text that somebody may read; `place` says where, as in `log api` or `answer POST /api/token/`."""

    place: str
    text: str


class Canaries:
    """Each has a name, a value, and the places that it is meant for."""

    def __init__(self) -> None:
        self.values: dict[str, tuple[str, tuple[str, ...]]] = {}

    def plant(self, name: str, value: str, *meant_for: str) -> str:
        """The value. `meant_for` are beginnings of places."""
        assert value
        assert name not in self.values
        self.values[name] = value, meant_for
        return value

    def hits(self, seen: Iterable[Seen]) -> list[tuple[str, str, str]]:
        """Canary, place, and what stands around it."""
        return [
            (name, place, text[max(0, at - 100) : at + 40])
            for place, text in seen
            for name, (value, meant_for) in self.values.items()
            if not place.startswith(meant_for)
            for at in [_position(value, text)]
            if at >= 0
        ]


def _position(value: str, text: str) -> int:
    """Where a value stands as it is, in JSON, in an address or in base64; -1 when it does not."""
    if _SHORT.fullmatch(value):
        found = re.search(rf"(?<![\w-]){value}(?![\w-])", _FRACTIONS.sub("", text))
        return found.start() if found else -1
    return max(text.find(form) for form in _forms(value))


def _forms(value: str) -> Iterator[str]:
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield quote(value, safe="")
    yield value.encode().hex()
    # In base64 a value looks different behind zero, one or two other bytes; its ends depend on its neighbours.
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + value.encode()).decode()
        inner = coded[-(-before * 8 // 6) : -4]
        if len(inner) >= 12:
            yield inner
