"""Ranges in A1 notation: `Productos!A2:D`, `A:A`, `'It''s'!B2`, or a tab's title alone."""

import re

import msgspec

_CELL = re.compile(r"\$?([A-Za-z]{0,3})\$?([0-9]{0,7})")
_TITLED = re.compile(r"(?:'((?:[^']|'')+)'|([^'!]+))!(.*)", re.DOTALL)
_QUOTED = re.compile(r"'((?:[^']|'')+)'")


class Unparsable(ValueError):
    """The text is no range."""


class Area(msgspec.Struct, frozen=True):
    """Cells of a tab, counted from 0; an end of None is the grid's."""

    title: str | None
    top: int
    left: int
    bottom: int | None
    right: int | None


def area_of(text: str, titles: set[str]) -> Area:
    """Raises Unparsable, also for a tab that is not among the titles."""
    match = _TITLED.fullmatch(text)
    if match:
        title = (match[1] or "").replace("''", "'") or match[2]
        if title not in titles:
            raise Unparsable(text)
        return _cells(title, match[3], text)
    bare = _QUOTED.fullmatch(text)
    name = bare[1].replace("''", "'") if bare else text
    if name in titles:
        return Area(name, 0, 0, None, None)
    return _cells(None, text, text)


def _cells(title: str | None, cells: str, text: str) -> Area:
    first, colon, last = cells.partition(":")
    begin, end = _CELL.fullmatch(first), _CELL.fullmatch(last or first)
    if not begin or not end or not cells or (colon and not last):
        raise Unparsable(text)
    if not colon and not (begin[1] and begin[2]):
        raise Unparsable(text)
    top, left = (int(begin[2]) - 1 if begin[2] else 0), (column_of(begin[1]) if begin[1] else 0)
    bottom = int(end[2]) - 1 if end[2] else None
    right = column_of(end[1]) if end[1] else None
    if top < 0 or (bottom is not None and bottom < top) or (right is not None and right < left):
        raise Unparsable(text)
    return Area(title, top, left, bottom, right)


def column_of(letters: str) -> int:
    """`A` is 0, `AA` is 26."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def letters_of(column: int) -> str:
    text, number = "", column + 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("A") + rest) + text
    return text


def shown(title: str, top: int, left: int, bottom: int, right: int) -> str:
    """A range as answers name it."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", title, re.ASCII)
    name = title if plain else "'" + title.replace("'", "''") + "'"
    first, last = f"{letters_of(left)}{top + 1}", f"{letters_of(right)}{bottom + 1}"
    return f"{name}!{first}" if first == last else f"{name}!{first}:{last}"
