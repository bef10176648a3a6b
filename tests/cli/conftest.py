"""Commands as a terminal runs them."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.users import users
from app.settings import Settings

Run = Callable[..., Any]


@pytest.fixture
def environ(settings: Settings) -> dict[str, str]:
    return {"DATABASE_URL": settings.database_url, "SECRET_KEY": settings.secret_key, "APP_ENV": "development"}


@pytest.fixture
def run_users(environ: dict[str, str], db: AsyncSession) -> Run:
    """Runs a command of `users` in a thread: it has an event loop of its own."""

    async def command(*arguments: str, stdin: str = "", **changed: str) -> Result:
        runner = CliRunner()
        return await asyncio.to_thread(runner.invoke, users, arguments, input=stdin, env=environ | changed)

    return command
