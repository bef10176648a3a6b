"""How a suite ends: the world is healed, nobody waits, and everything agrees with what everybody was told."""

from tests.chaos.checker import Report, check
from tests.chaos.client import Client
from tests.chaos.settling import settle
from tests.chaos.world import World

# Of the shop's own: what an answer of 500 says was not foreseen.
SERVED = {"200", "201", "204", "400", "401", "403", "404", "409", "422", "429", "503"}


async def prove(world: World, *clients: Client, hurry: bool = True) -> Report:
    """Raises AssertionError with what is lost, double, half or stuck, or what these clients should not have read."""
    took = await settle(world, hurry=hurry)
    report = await check(world)
    report.counts["settled in s"] = round(took)
    report.prove()
    for client in clients:
        assert client.crashes == [], client.crashes[:5]
        assert client.refused_without_retry_after == 0
        odd = {name for name in client.statuses if name.isdecimal()} - SERVED
        assert not odd, odd
    return report


def unknown(world: World, since: int) -> int:
    """Of how many calls, from the journal's number `since` on, nobody ever learnt what became of them."""
    return sum(call.end in {"unknown", ""} for call in world.journal.calls[since:])


def percentile(values: list[float], share: float) -> float:
    """Of at least one value."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
