"""Which country and city an address belongs to, from a MaxMind DB file on this machine (GeoLite2, DB-IP); asks nobody.

The format: https://maxmind.github.io/MaxMind-DB/. A binary tree over the bits of an address leads to a record.
"""

import ipaddress
import mmap
import struct
from pathlib import Path
from typing import Any

import msgspec
import structlog

log = structlog.get_logger("app.places")

_MARK = b"\xab\xcd\xefMaxMind.com"
_GAP = 16
_DEPTH = 32
# What is added to a pointer of each size, and to a length that does not fit into its byte.
_POINTER_BASE = (0, 2048, 526_336, 0)
_LENGTH_BASE = (29, 285, 65_821)
# The kinds of values that are not plain bytes, and lengths that do not fit into the control byte.
_EXTENDED, _POINTER, _TEXT, _DOUBLE, _BYTES, _MAP, _SIGNED, _LIST, _BOOL, _FLOAT = 0, 1, 2, 3, 4, 7, 8, 11, 14, 15
_LONG = 28
_V6 = 6
_LANGUAGES = ("es", "en")
_FAILURES = (ValueError, LookupError, struct.error, TypeError)


class Place(msgspec.Struct, frozen=True):
    """Empty texts where nothing is known."""

    country: str = ""
    city: str = ""


NOWHERE = Place()


class PlaceBook:
    """One for each process; the file is opened at the first question and stays mapped."""

    def __init__(self, path: str) -> None:
        """Without a path nothing is known of any address."""
        self._path = path
        self._file: _File | None = None
        self._tried = False

    def find(self, address: str | None) -> Place:
        """What the file says. What is wrong with it is logged, and keeps nobody from anything."""
        if not self._path or address is None:
            return NOWHERE
        try:
            file = self._opened()
            record = file.record(ipaddress.ip_address(address)) if file else None
        except _FAILURES as error:
            log.warning("place_not_found", reason=repr(error))
            return NOWHERE
        return Place(_name(record, "country"), _name(record, "city"))

    def _opened(self) -> "_File | None":
        if not self._tried:
            self._tried = True
            try:
                self._file = _File(Path(self._path))
            except (OSError, *_FAILURES) as error:
                log.warning("places_unreadable", path=self._path, reason=repr(error))
        return self._file


def _name(record: Any, kind: str) -> str:
    part = record.get(kind) if isinstance(record, dict) else None
    names = part.get("names") if isinstance(part, dict) else None
    if not isinstance(names, dict):
        return ""
    return next((str(names[each])[:100] for each in _LANGUAGES if each in names), "")


class _File:
    """A database that is read where it lies."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        at = self._bytes.rfind(_MARK)
        if at < 0:
            raise ValueError("not a MaxMind DB file")
        self._data = at + len(_MARK)
        about = self._value(self._data, 0)[0]
        self._nodes, self._bits = int(about["node_count"]), int(about["record_size"])
        if self._bits not in {24, 28, 32}:
            raise ValueError(f"records of {self._bits} bits")
        self._size = self._bits // 4
        self._data = self._nodes * self._size + _GAP
        self._is_v6 = about["ip_version"] == _V6

    def record(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Any:
        """The record of the network that holds the address, or None."""
        if address.version == _V6 and not self._is_v6:
            return None
        bits = f"{int(address):0{128 if self._is_v6 else 32}b}"
        node = 0
        for bit in bits:
            node = self._child(node, bit == "1")
            if node >= self._nodes:
                break
        return None if node <= self._nodes else self._value(self._data + node - self._nodes - _GAP, 0)[0]

    def _child(self, node: int, right: bool) -> int:  # noqa: FBT001 - a bit
        at = node * self._size
        raw = self._bytes[at : at + self._size]
        half = self._size // 2
        child = int.from_bytes(raw[-half:] if right else raw[:half])
        if self._size % 2:  # the byte in the middle holds the upper four bits of both
            child |= (raw[half] & 15 if right else raw[half] >> 4) << 8 * half
        return child

    def _value(self, at: int, depth: int) -> tuple[Any, int]:
        """The value at a place, and where the next one begins."""
        if depth > _DEPTH:
            raise ValueError("nested too deeply")
        control = self._bytes[at]
        at += 1
        kind = control >> 5
        if kind == _POINTER:
            return self._pointed(control, at, depth)
        if kind == _EXTENDED:
            kind = self._bytes[at] + 7
            at += 1
        length = control & 31
        if length > _LONG:
            width = length - _LONG
            length = _LENGTH_BASE[width - 1] + int.from_bytes(self._bytes[at : at + width])
            at += width
        if kind == _MAP:
            return self._map(length, at, depth)
        if kind == _LIST:
            return self._list(length, at, depth)
        if kind == _BOOL:
            return bool(length), at
        return self._plain(kind, self._bytes[at : at + length]), at + length

    def _pointed(self, control: int, at: int, depth: int) -> tuple[Any, int]:
        width = (control >> 3 & 3) + 1
        raw = self._bytes[at : at + width]
        high = (control & 7) << 8 * width if width < len(_POINTER_BASE) else 0
        target = high + int.from_bytes(raw) + _POINTER_BASE[width - 1]
        return self._value(self._data + target, depth + 1)[0], at + width

    def _map(self, length: int, at: int, depth: int) -> tuple[dict[str, Any], int]:
        found = {}
        for _ in range(length):
            name, at = self._value(at, depth + 1)
            found[str(name)], at = self._value(at, depth + 1)
        return found, at

    def _list(self, length: int, at: int, depth: int) -> tuple[list[Any], int]:
        found = []
        for _ in range(length):
            value, at = self._value(at, depth + 1)
            found.append(value)
        return found, at

    @staticmethod
    def _plain(kind: int, raw: bytes) -> Any:
        if kind == _TEXT:
            return raw.decode()
        if kind in {_DOUBLE, _FLOAT}:
            return struct.unpack(">d" if kind == _DOUBLE else ">f", raw)[0]
        if kind == _BYTES:
            return raw
        # A shorter signed number has no sign.
        return int.from_bytes(raw, signed=kind == _SIGNED and len(raw) == struct.calcsize("i"))
