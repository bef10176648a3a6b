"""One world for all suites of this folder: they hit it one after the other, and each leaves it healed and proven."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chaos.shoppers import Mall
from tests.chaos.world import World, open_world


@pytest.fixture(scope="package")
async def world(tmp_path_factory: pytest.TempPathFactory, full_rounds: bool) -> AsyncIterator[World]:
    async with open_world(tmp_path_factory.mktemp("chaos"), quick=not full_rounds) as opened:
        yield opened


@pytest.fixture(scope="session")
async def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own")


@pytest.fixture
async def mall(world: World) -> Mall:
    """Products, promotions and a coupon of this suite's own."""
    opened = Mall(world)
    await opened.open()
    return opened


@pytest.fixture
def seed() -> int:
    """Printed with a failure, and taken from there to have the same again."""
    chosen = random.SystemRandom().randrange(1 << 32)
    print(f"\nseed {chosen}")  # noqa: T201 - pytest shows it with a failure
    return chosen
