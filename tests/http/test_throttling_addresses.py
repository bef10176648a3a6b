"""Whose calls are counted together: the peer's, or those of whom our own proxies have seen."""

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from app.http.addresses import client_address, client_network
from app.serving import options
from launcher import programs
from tests.http.limited import Client, beside, statuses
from tests.sources import ROOT

PEER = "203.0.113.7"
SPOOFED = ["X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "True-Client-IP", "X-Client-IP", "Via"]


def connection(peer: str | None, *forwarded: str, proxies: int = 0) -> Any:
    """What the functions look at of a request."""
    headers = [(b"host", b"x"), *((b"x-forwarded-for", line.encode("latin-1")) for line in forwarded)]
    scope = {"client": None if peer is None else (peer, 1), "headers": headers}
    state = SimpleNamespace(settings=SimpleNamespace(trusted_proxies=proxies))
    return SimpleNamespace(scope=scope, app=SimpleNamespace(state=state))


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, ["1.1.1.1"], PEER),
        (1, [], PEER),
        (1, ["1.1.1.1"], "1.1.1.1"),
        (1, ["9.9.9.9, 1.1.1.1"], "1.1.1.1"),
        (1, ["9.9.9.9", "8.8.8.8,1.1.1.1"], "1.1.1.1"),
        (1, ["1.1.1.1", "2.2.2.2"], "2.2.2.2"),
        (2, ["9.9.9.9, 1.1.1.1, 2.2.2.2"], "1.1.1.1"),
        (2, ["1.1.1.1"], "1.1.1.1"),
        (3, ["1.1.1.1, 2.2.2.2"], "1.1.1.1"),
        (1, ["1.1.1.1:4711"], "1.1.1.1"),
        (1, ["[2001:db8::1]:4711"], "2001:db8::1"),
        (1, ["2001:DB8:0::1"], "2001:db8::1"),
        (1, ["::ffff:1.1.1.1"], "1.1.1.1"),
        (1, ["fe80::1%eth0"], "fe80::1"),
        (1, ["9.9.9.9, unknown"], PEER),
        (1, ["9.9.9.9,"], PEER),
        (1, ["9.9.9.9, 1.1.1.999"], PEER),
        (1, ["9.9.9.9, 010.1.1.1"], PEER),
        (1, ["\xff\xfe"], PEER),
        (1, ["9" * 5000], PEER),
    ],
)
def test_the_address(proxies: int, forwarded: list[str], address: str) -> None:
    assert client_address(connection(PEER, *forwarded, proxies=proxies)) == address


def test_no_address() -> None:
    assert client_address(connection(None)) is None
    assert client_address(connection("testclient")) is None
    assert client_network(connection(None)) == "unknown"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::6", "2001:db8:1:3::/64"),
    ],
)
def test_a_customers_network_is_one_client(address: str, network: str) -> None:
    assert client_network(connection(address)) == network


async def test_what_a_client_says_of_itself_is_no_new_client(throttled: Client) -> None:
    client = throttled(anon="4/hour")
    calls = []
    for turn in range(30):
        name, address = SPOOFED[turn % len(SPOOFED)], f"198.51.100.{turn}"
        value = f"for={address}" if name == "Forwarded" else address
        calls.append(client.get("/api/throttle/anon", headers={name: value}))
    answers = await asyncio.gather(*calls)
    assert Counter(answer.status_code for answer in answers) == {200: 4, 429: 26}


async def test_behind_a_proxy_the_hop_that_it_saw_counts(throttled: Client) -> None:
    client = throttled(anon="2/hour", proxies=1)
    for visitor in ("198.51.100.1", "198.51.100.2"):
        found = [
            (
                await client.get("/api/throttle/anon", headers={"X-Forwarded-For": f"10.0.0.{turn}, {visitor}"})
            ).status_code
            for turn in range(4)
        ]
        assert found == [200, 200, 429, 429]
    assert await statuses(client, "anon", 3) == [200, 200, 429]


async def test_addresses_of_one_network_of_ipv6_share(throttled: Client) -> None:
    client = throttled(anon="2/hour")
    found = [(await statuses(beside(client, f"2001:db8::{turn}"), "anon", 1))[0] for turn in range(4)]
    assert found == [200, 200, 429, 429]
    assert await statuses(beside(client, "2001:db8:0:1::1"), "anon", 1) == [200]


async def test_who_has_no_address_shares_one_count(throttled: Client) -> None:
    client = throttled(None, anon="2/hour")
    assert await statuses(client, "anon", 3) == [200, 200, 429]


def test_the_server_leaves_addresses_to_us() -> None:
    """Uvicorn believes the forwarded headers of a peer on this machine, unless it is told not to."""
    assert options()["proxy_headers"] is False
    assert programs.api().command[1:3] == ("-m", "app.serving")
    assert "exec python -m app.serving " in (ROOT / "Containerfile").read_text(encoding="utf-8")
