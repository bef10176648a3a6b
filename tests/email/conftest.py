from collections.abc import AsyncIterator

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from app.jobs.work import Work
from app.settings import Settings
from sandbox.server import Sandbox, open_sandbox
from tests.email.post import Post

announce(JOBS)


@pytest.fixture(scope="session")
async def running_sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("sandbox") / "service-account.json") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Sandbox:
    running_sandbox.world.reset()
    return running_sandbox


@pytest.fixture
def mail_settings(settings: Settings, sandbox: Sandbox) -> Settings:
    """The test's settings with the sandbox's mail server."""
    return msgspec.structs.replace(
        settings,
        smtp_host="127.0.0.1",
        smtp_port=sandbox.smtp_port,
        mail_from="Tienda Ñandú <no-reply@shop.test>",
        frontend_url="https://tienda.test",
    )


@pytest.fixture
def work(mail_settings: Settings, sessions: async_sessionmaker[AsyncSession]) -> Work:
    return Work(mail_settings, sessions)


@pytest.fixture
def post(work: Work, sandbox: Sandbox, db: AsyncSession) -> Post:
    return Post(work, sandbox, db)
