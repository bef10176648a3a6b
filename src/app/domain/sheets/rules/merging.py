"""Which side of a row is heard, field by field. Pure."""

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from app.domain.sheets.rules.cells import FIELDS

Direction = Literal["bidirectional", "to-sheets", "from-sheets"]
Texts = Mapping[str, str]


class Merge(msgspec.Struct, frozen=True):
    """Fields to take from the sheet, fields to write to it, and the row as both sides then know it."""

    pull: frozenset[str]
    push: frozenset[str]
    seen: dict[str, str]


def merge(
    sheet: Texts, stored: Texts, seen: Texts | None, direction: Direction, sheet_is_newer: Callable[[str], bool]
) -> Merge:
    """What changed on one side since both agreed goes to the other; of both, the later writer's counts.

    A number of units that both changed is no conflict: the sheet's difference is taken, and the sum written back.
    Without a `seen` row the shop is right, unless only the sheet is asked. A side that is not asked keeps what it has.
    """
    pull, push = set(), set()
    base = dict(seen or {})
    for field in FIELDS:
        if sheet[field] == stored[field]:
            base[field] = stored[field]
            continue
        if seen is None or field not in seen:
            from_sheet = direction == "from-sheets"
        else:
            from_sheet = _is_the_sheets(field, sheet, stored, seen, sheet_is_newer)
        if from_sheet and direction != "to-sheets":
            pull.add(field)
            base[field] = sheet[field]
        elif not from_sheet and direction != "from-sheets":
            push.add(field)
    return Merge(frozenset(pull), frozenset(push), base)


def _is_the_sheets(field: str, sheet: Texts, stored: Texts, seen: Texts, sheet_is_newer: Callable[[str], bool]) -> bool:
    if sheet[field] == seen[field]:
        return False
    return field == "stock" or stored[field] == seen[field] or sheet_is_newer(field)
