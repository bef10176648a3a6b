"""R16: rolling restarts by SIGTERM in load, behind a balancer that asks the doors whether they are ready."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from app.clients.trust import trusted
from tests.chaos.blows import roll_api, roll_worker
from tests.chaos.client import Client
from tests.chaos.journal import Journal
from tests.chaos.ports import free_port
from tests.chaos.proving import prove, unknown
from tests.chaos.results import Goals
from tests.chaos.shoppers import Crowd, Mall
from tests.chaos.world import World

pytestmark = [pytest.mark.races, pytest.mark.alone]
DRAIN_SECONDS = 10.0
ASK_SECONDS = 0.25


NO_DOOR = "no door is open"


class Balancer(Client):
    """Sends to doors that say they are ready; what could not connect goes to the other one, since nothing was sent.

    `moved` counts those. Who has found no door, each having been tried once, has failed: `statuses` counts it too.
    """

    moved = 0

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        self.ready = [True] * len(self.doors)
        task = asyncio.create_task(self._watch())
        yield
        task.cancel()

    async def _watch(self) -> None:
        async with httpx.AsyncClient(verify=trusted(), timeout=2.0) as http:
            while True:
                for number, door in enumerate(self.doors):
                    try:
                        self.ready[number] = (await http.get(f"{door}/readyz")).status_code == 200
                    except httpx.TransportError:
                        self.ready[number] = False
                await asyncio.sleep(ASK_SECONDS)

    async def send(self, method: str, path: str, headers: dict[str, str], body: object = None) -> httpx.Response:
        first = self.next_door()
        doors = [(first + step) % len(self.doors) for step in range(len(self.doors))]
        # One that was not ready a moment ago may be by now: it is the last resort.
        for door in sorted(doors, key=lambda number: not self.ready[number]):
            self.turn = door
            try:
                return await super().send(method, path, headers, body)
            except httpx.ConnectError:
                self.statuses["ConnectError"] -= 1
                self.moved += 1
        self.statuses[NO_DOOR] += 1
        raise httpx.ConnectError(NO_DOOR)


@pytest.mark.full_only
@pytest.mark.shows("R16")
async def test_rolling_restarts(world: World, mall: Mall, seed: int, goals: Goals) -> None:
    rounds, since = 10, len(world.journal.calls)
    drains: list[float] = []
    crowd = Crowd(world, mall, seed, client=Balancer(world.doors, world.journal))
    assert isinstance(crowd.client, Balancer)
    async with crowd.client.watching(), crowd:
        for _ in range(rounds):
            for number in range(2):
                await crowd.busy(60)
                drains.append(await roll_api(world, number))
                await crowd.busy(20)
            drains += [await roll_worker(world, number) for number in range(2)]
    await crowd.client.close()
    await prove(world, crowd.client)
    failed = {name: n for name, n in crowd.client.statuses.items() if n and not name.startswith(("2", "4"))}
    figure = (
        f"{rounds} rounds of 2 API processes and 2 workers, {sum(crowd.client.statuses.values())} requests, "
        f"failed: {failed or 'none'}, {crowd.client.moved} sent to the other door since theirs was closed, "
        f"drained in at most {max(drains):.1f} s"
    )
    held = not failed and max(drains) <= DRAIN_SECONDS and unknown(world, since) == 0
    goals.note("R16", "rolling restarts: no request fails, no job is lost, drain <= 10 s", figure, held=held)
    assert held, figure


async def test_who_finds_no_door_has_failed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    client = Balancer([f"http://127.0.0.1:{free_port()}" for _ in range(2)], journal)
    async with client.watching():
        wanted = await client.want("order", "POST", "/api/orders/", user=1, headers={}, tries=2)
    await client.close()
    journal.close()
    assert (wanted.end, wanted.troubles) == ("unknown", ["ConnectError", "ConnectError"])
    assert {name: n for name, n in client.statuses.items() if n} == {NO_DOOR: 2}
    assert client.moved == 2 * 2
