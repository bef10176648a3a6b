"""The application, as servers and Litestar's command line start it: `app.server:create_app`."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import click
from litestar import Litestar

from app.cli.application import Commanded
from app.settings import Settings, load_settings

if TYPE_CHECKING:
    from app.http.edge import Edge

MAX_BODY_BYTES = 12 << 20


class Relampago(Litestar):
    """Litestar behind the edge that sees every request."""

    edge: "Edge"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self.edge(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(settings: Settings | None = None) -> Relampago:
    """Build the application. Nothing connects before the lifespan starts.

    Raises SettingsError when the environment's settings do not do. What Litestar's command line gets, to know our
    commands, is put together only when one of them wants more of it.
    """
    if settings is None and _only_commands_are_asked_for():
        return cast("Relampago", Commanded(lambda: _put_together(load_settings())))
    return _put_together(settings or load_settings())


def _only_commands_are_asked_for() -> bool:
    """Whether Litestar's command line asks and runs no command yet: `litestar run` starts a server in its process."""
    context = click.get_current_context(silent=True)
    return "litestar.cli.main" in sys.modules and (context is None or context.parent is None)


def _put_together(settings: Settings) -> Relampago:
    with _without_collections():
        # Imported only here: a process that shows the commands' help does not need five hundred modules of ours.
        app: Relampago = import_module("app.wiring").put_together(settings)
    return app


@contextmanager
def _without_collections() -> Iterator[None]:
    """No search for garbage while the program is loaded: nearly all of it stays, and is looked through each time.

    After the first time it is not looked through later either, so that no early request waits for it.
    """
    first, enabled = "app.wiring" not in sys.modules, gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if first:
            gc.freeze()
        if enabled:
            gc.enable()
