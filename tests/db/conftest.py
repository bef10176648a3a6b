from collections.abc import AsyncIterator

import pytest

from tests.conftest import fresh_database
from tests.db.growing import Meadow


@pytest.fixture
async def meadow(worker_name: str) -> AsyncIterator[Meadow]:
    """A database of the test's own: its partitions stay as the test leaves them."""
    async with fresh_database(f"{worker_name}_growth") as url, Meadow(url) as found:
        yield found
