"""Spreadsheets in memory: tabs of cells, and the minute's quota of calls."""

import csv
import io
import re
import time
from collections import deque
from typing import Any

from sandbox.sheets_ranges import Area, Unparsable, area_of, letters_of, shown

ROWS, COLUMNS = 1000, 26
CALLS_A_MINUTE = 60
# The one that the application uses in development.
SPREADSHEET = "relampago-sandbox-spreadsheet"
TAB = "Productos"
_TRUE_FALSE = {"TRUE": True, "FALSE": False, "VERDADERO": True, "FALSO": False}


class BeyondGrid(ValueError):
    """A write outside of the tab's grid; the argument is Google's message."""


class Tab:
    """A grid of cells by (row, column), counted from 0; an empty cell is not there."""

    def __init__(self, number: int, title: str, rows: int = ROWS, columns: int = COLUMNS) -> None:
        self.number, self.title, self.rows, self.columns = number, title, rows, columns
        self.cells: dict[tuple[int, int], Any] = {}
        # Counts the changes, for those who look again and again.
        self.version = 0

    def bounds(self, area: Area) -> tuple[int, int, int, int]:
        bottom = self.rows - 1 if area.bottom is None else area.bottom
        right = self.columns - 1 if area.right is None else area.right
        return area.top, area.left, bottom, right

    def read(self, area: Area) -> list[list[Any]]:
        """Rows without their empty ends, without empty rows at the end."""
        top, left, bottom, right = self.bounds(area)
        inside = [(r, c) for r, c in self.cells if top <= r <= bottom and left <= c <= right]
        widths: dict[int, int] = {}
        for row, column in inside:
            widths[row] = max(widths.get(row, 0), column - left + 1)
        last = max(widths, default=top - 1)
        return [
            [self.cells.get((row, left + offset), "") for offset in range(widths.get(row, 0))]
            for row in range(top, last + 1)
        ]

    def check(self, area: Area, rows: list[list[Any]]) -> None:
        """Raises BeyondGrid for what would be written outside."""
        bottom = area.top + max(len(rows), 1)
        right = area.left + max((len(row) for row in rows), default=1)
        if bottom > self.rows or right > self.columns:
            place = f"{self.title}!{letters_of(area.left)}{area.top + 1}"
            limits = f"Max rows: {self.rows}, max columns: {self.columns}"
            raise BeyondGrid(f"Range ({place}) exceeds grid limits. {limits}")
        if area.bottom is not None and bottom - 1 > area.bottom:
            raise BeyondGrid(f"Requested writing within range [{self.title}], but tried writing to row [{bottom}]")
        if area.right is not None and area.bottom is not None and right - 1 > area.right:
            message = f"tried writing to column [{letters_of(right - 1)}]"
            raise BeyondGrid(f"Requested writing within range [{self.title}], but {message}")

    def write(self, area: Area, rows: list[list[Any]], *, parse: bool) -> tuple[int, int, int]:
        """Rows, columns and cells that were written. Null leaves a cell as it is, an empty text clears it."""
        count = 0
        self.version += 1
        for down, row in enumerate(rows):
            for over, value in enumerate(row):
                if value is None:
                    continue
                count += 1
                place = (area.top + down, area.left + over)
                if value == "":
                    self.cells.pop(place, None)
                else:
                    self.cells[place] = typed(value) if parse and isinstance(value, str) else value
        return len(rows), max((len(row) for row in rows), default=0), count

    def clear(self, area: Area) -> str:
        self.version += 1
        top, left, bottom, right = self.bounds(area)
        for row, column in list(self.cells):
            if top <= row <= bottom and left <= column <= right:
                del self.cells[row, column]
        return shown(self.title, top, left, bottom, right)

    @property
    def height(self) -> int:
        return max((row for row, _ in self.cells), default=-1) + 1

    def csv(self) -> str:
        out = io.StringIO()
        csv.writer(out).writerows(self.read(Area(self.title, 0, 0, None, None)))
        return out.getvalue()


def typed(text: str) -> Any:
    """What becomes of a text that is entered as if typed: numbers and booleans; the rest, formulas too, stays text."""
    if text.upper() in _TRUE_FALSE:
        return _TRUE_FALSE[text.upper()]
    if re.fullmatch(r"[+-]?[0-9]{1,15}", text):
        return int(text)
    if re.fullmatch(r"[+-]?[0-9]{1,12}\.[0-9]{1,6}", text):
        return float(text)
    return text.removeprefix("'")


class Spreadsheet:
    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.tabs: dict[str, Tab] = {}
        self._next = 0

    def add(self, title: str) -> Tab:
        tab = self.tabs[title] = Tab(self._next, title)
        self._next += 183_920_485
        return tab

    def area(self, text: str) -> tuple[Tab, Area]:
        """Raises Unparsable."""
        area = area_of(text, set(self.tabs))
        title = area.title or next(iter(self.tabs), None)
        if title is None:
            raise Unparsable(text)
        return self.tabs[title], area


class Sheets:
    """All spreadsheets, and when reads and writes were called."""

    def __init__(self) -> None:
        self.quota = CALLS_A_MINUTE
        self.reset()

    def reset(self) -> None:
        self.files: dict[str, Spreadsheet] = {}
        self.calls: dict[str, deque[float]] = {"Read": deque(), "Write": deque()}
        self.create(SPREADSHEET).add(TAB)

    def create(self, identity: str) -> Spreadsheet:
        file = self.files[identity] = Spreadsheet(identity)
        return file

    def admits(self, kind: str) -> bool:
        """Whether a call is within the quota of the last sixty seconds; it counts if it is."""
        calls, now = self.calls[kind], time.monotonic()
        while calls and calls[0] <= now - 60:
            calls.popleft()
        if len(calls) >= self.quota:
            return False
        calls.append(now)
        return True
