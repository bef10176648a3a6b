from collections.abc import AsyncIterator

import httpx
import pytest

from app.clients import google_auth
from app.clients.fcm import FcmClient
from app.clients.google_auth import FCM_SCOPE, GoogleAuth
from app.clients.trust import trusted
from app.settings import Settings
from sandbox.server import Sandbox, open_sandbox


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("sandbox") / "service-account.json") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The sandbox as if it had just been started."""
    running.world.reset()
    running.world.access_tokens.clear()
    running.world.token_seconds = 3599
    monkeypatch.setattr(google_auth, "PAUSE_SECONDS", 0.001)
    return running


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(verify=trusted()) as client:
        yield client


@pytest.fixture
def auth(http: httpx.AsyncClient, sandbox: Sandbox) -> GoogleAuth:
    return GoogleAuth(http, str(sandbox.account_file), [FCM_SCOPE])


@pytest.fixture
async def fcm(sandbox: Sandbox) -> AsyncIterator[FcmClient]:
    """The client as the settings make it."""
    settings = Settings(
        database_url="",
        database_admin_url="",
        secret_key="",
        fcm_base_url=f"{sandbox.url}/fcm",
        google_service_account_file=str(sandbox.account_file),
    )
    async with FcmClient.from_settings(settings) as client:
        yield client
