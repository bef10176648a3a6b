"""The application as Litestar's command line sees it."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from litestar import Litestar
from litestar.plugins import PluginRegistry

from app.cli.plugin import CommandLine


class Commanded:
    """Knows the commands at once, and becomes the whole application when anything else is asked of it.

    Litestar's command line wants an application to show its help, and before each command. Ours need no handler.
    """

    def __init__(self, build: Callable[[], Litestar]) -> None:
        self._build = build

    @cached_property
    def _whole(self) -> Litestar:
        return self._build()

    @property
    def plugins(self) -> PluginRegistry:
        """Only those that bring commands, until the application is put together."""
        return self._whole.plugins if "_whole" in self.__dict__ else PluginRegistry([CommandLine()])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._whole(scope, receive, send)
