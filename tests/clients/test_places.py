"""Places of addresses, from a file of the MaxMind DB format that is written here."""

import ipaddress
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.clients.places import NOWHERE, Place, PlaceBook

CORDOBA = {
    "country": {"iso_code": "AR", "names": {"en": "Argentina", "es": "Argentina"}},
    "city": {"names": {"es": "Córdoba", "en": "Cordoba"}},
}
PARIS = {"country": {"names": {"en": "France"}}, "city": {"names": {"de": "Paris"}}, "location": {"latitude": 48.8}}
ODD = {"country": [1, True, -5, 1.5, b"\0"], "city": "x"}
NETWORKS = {"203.0.113.0/24": CORDOBA, "198.51.100.128/25": PARIS, "192.0.2.7/32": ODD, "2001:db8::/32": PARIS}


def control(kind: int, length: int) -> bytes:
    extra = b""
    if length >= 285:
        length, extra = 30, struct.pack(">H", length - 285)
    elif length >= 29:
        length, extra = 29, bytes([length - 29])
    first = bytes([kind << 5 | length]) if kind < 8 else bytes([length, kind - 7])
    return first + extra


def encoded(value: Any) -> bytes:
    match value:
        case bool():
            return control(14, int(value))
        case str():
            return control(2, len(value.encode())) + value.encode()
        case bytes():
            return control(4, len(value)) + value
        case float():
            return control(3, 8) + struct.pack(">d", value)
        case int() if value < 0:
            return control(8, 4) + struct.pack(">i", value)
        case int():
            return control(6, 4) + struct.pack(">I", value)
        case list():
            return control(11, len(value)) + b"".join(map(encoded, value))
        case _:
            pairs = b"".join(encoded(name) + encoded(inner) for name, inner in value.items())
            return control(7, len(value)) + pairs


def written(bits: int = 24, *, version: int = 6) -> bytes:
    """The tree and its records; every record is reached through a pointer."""
    data, offsets = b"", {}
    for network, record in NETWORKS.items():
        target = len(data)
        data += encoded(record)
        offsets[network] = len(data)
        data += (
            bytes([1 << 5 | 1 << 3 | (target - 2048 >> 16 & 7)]) + struct.pack(">H", target - 2048 & 65535)
            if (target >= 2048)
            else bytes([1 << 5 | target >> 8, target & 255])
        )
    tree: list[list[Any]] = [[None, None]]
    for network, offset in offsets.items():
        found = ipaddress.ip_network(network)
        if found.version > version:
            continue
        width = 128 if version == 6 else 32
        prefix = found.prefixlen + (width - found.max_prefixlen)
        path = [int(bit) for bit in f"{int(found.network_address):0{width}b}"[:prefix]]
        node = 0
        for bit in path[:-1]:
            if tree[node][bit] is None:
                tree.append([None, None])
                tree[node][bit] = len(tree) - 1
            node = tree[node][bit]
        tree[node][path[-1]] = ("data", offset)
    count = len(tree)
    nodes = b"".join(_node(left, right, bits) for left, right in ([_record(each, count) for each in n] for n in tree))
    about = {"node_count": count, "record_size": bits, "ip_version": version, "description": "x" * 400}
    return nodes + b"\0" * 16 + data + b"\xab\xcd\xefMaxMind.com" + encoded(about)


def _record(value: Any, count: int) -> int:
    if value is None:
        return count
    return count + 16 + value[1] if isinstance(value, tuple) else int(value)


def _node(left: int, right: int, bits: int) -> bytes:
    if bits == 28:
        middle = (left >> 24) << 4 | right >> 24
        return (left & 0xFFFFFF).to_bytes(3) + bytes([middle]) + (right & 0xFFFFFF).to_bytes(3)
    return left.to_bytes(bits // 8) + right.to_bytes(bits // 8)


@pytest.mark.parametrize("bits", [24, 28, 32])
def test_addresses_in_and_out_of_the_networks(tmp_path: Path, bits: int) -> None:
    (tmp_path / "places.mmdb").write_bytes(written(bits))
    book = PlaceBook(str(tmp_path / "places.mmdb"))
    for address, place in {
        "203.0.113.0": Place("Argentina", "Córdoba"),
        "203.0.113.255": Place("Argentina", "Córdoba"),
        "203.0.114.0": NOWHERE,
        "198.51.100.128": Place("France", ""),
        "198.51.100.127": NOWHERE,
        "192.0.2.7": NOWHERE,
        "2001:db8::1": Place("France", ""),
        "2001:db9::1": NOWHERE,
        "127.0.0.1": NOWHERE,
        "no address": NOWHERE,
    }.items():
        assert book.find(address) == place, address
    assert book.find(None) == NOWHERE


def test_a_file_for_the_older_addresses_alone(tmp_path: Path) -> None:
    (tmp_path / "places.mmdb").write_bytes(written(version=4))
    book = PlaceBook(str(tmp_path / "places.mmdb"))
    assert book.find("203.0.113.9") == Place("Argentina", "Córdoba")
    assert book.find("2001:db8::1") == NOWHERE


def test_without_a_file() -> None:
    assert PlaceBook("").find("203.0.113.9") == NOWHERE


@pytest.mark.parametrize("content", [None, b"", b"x" * 1000, b"\xab\xcd\xefMaxMind.com", written()[-300:]])
def test_what_is_no_such_file_is_logged_once(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "places.mmdb").write_bytes(content)
    book = PlaceBook(str(tmp_path / "places.mmdb"))
    with capture_logs() as logs:
        assert [book.find("203.0.113.9") for _ in range(3)] == [NOWHERE] * 3
    assert {line["event"] for line in logs} <= {"places_unreadable", "place_not_found"}


def test_damage_harms_nobody(tmp_path: Path) -> None:
    chance = random.Random(7)
    good, path = written(), tmp_path / "places.mmdb"
    for _ in range(200):
        damaged = bytearray(good)
        for _ in range(5):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.unlink(missing_ok=True)
        path.write_bytes(damaged)
        with capture_logs():
            book = PlaceBook(str(path))
            assert all(isinstance(book.find(address), Place) for address in ("203.0.113.9", "2001:db8::1"))
