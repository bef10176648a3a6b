from collections.abc import AsyncIterator

import httpx
import pytest

from sandbox.server import Sandbox, open_sandbox
from tests.sandbox.assertions import FORM, assertion_of


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("sandbox") / "service-account.json") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.world.reset()
    running.world.access_tokens.clear()
    return running


@pytest.fixture
async def web(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox.url, verify=False) as client:  # noqa: S501 - it is plain http
        yield client


@pytest.fixture
async def signed_in(sandbox: Sandbox, web: httpx.AsyncClient) -> httpx.AsyncClient:
    """With an access token for FCM."""
    answer = await web.post("/google/token", data=FORM | {"assertion": assertion_of(sandbox.world.account)})
    web.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    sandbox.world.ledger.reset()
    return web
