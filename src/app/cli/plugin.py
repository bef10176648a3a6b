"""Our command groups beside Litestar's own. A group's module is imported when one of its commands is wanted."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from typing import Any, cast

import click
from litestar.plugins import CLIPlugin

from app.environment import read_env_file

# Of each command: its module, its name, and what it says of itself. A test compares this with the commands.
COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("app.cli.carts", "carts", "Carts of visitors and customers."),
    ("app.cli.catalog", "catalog", "Products as a file."),
    ("app.cli.database", "database", "Manage SQLAlchemy database components."),
    ("app.cli.demo.commands", "demo", "Demo data: accounts, a catalogue, stores, promotions. Refused in production."),
    (
        "app.cli.doctor.commands",
        "doctor",
        "Check database, clocks, providers, queue and invariants, and say what to do.",
    ),
    ("app.cli.growth", "growth", "Tables that are partitioned by the month."),
    ("app.cli.moving.commands", "import", "Data of other shops."),
    ("app.cli.jobs", "jobs", "The queue: run its worker, look into it."),
    ("app.cli.orders", "orders", "Orders."),
    ("app.cli.payments", "payments", "The money: what is known of it, and what is still open."),
    ("app.cli.promos", "promos", "Flash promotions."),
    ("app.cli.rates", "rates", "Exchange rates."),
    ("app.cli.sheets", "sheets", "The shop's spreadsheet."),
    ("app.cli.stock", "stock", "The units that can be sold."),
    ("app.cli.users", "users", "Accounts of customers and staff."),
)
# The other names, which the help shows beside the first.
ALIASES = {"database": ("db",)}


def written(name: str) -> str:
    """How a command is called in its module: one that is a word of Python's has a line behind it."""
    return f"{name}_" if iskeyword(name) else name


class Announced(click.Command):
    """A command by its name and help. It gives up its place in the command line when it is to run."""

    def __init__(self, cli: click.Group, module: str, name: str, text: str, *, hidden: bool = False) -> None:
        super().__init__(name, help=text, hidden=hidden)
        self._cli, self._module = cli, module
        self.aliases: Sequence[str] = ALIASES.get(name, ())

    def load(self) -> click.Command:
        """The command itself, which its module has by this name."""
        name = str(self.name)
        if isinstance(self._cli.commands.get(name), Announced):
            # Imported only here: each group brings its domain's services, and the help needs none of them.
            self._cli.add_command(cast("click.Command", getattr(import_module(self._module), written(name))))
        return self._cli.commands[name]

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        command = self.load()
        _log_beside_the_output()
        return command.make_context(info_name, args, parent, **extra)


def _log_beside_the_output() -> None:
    """On standard output is what the command answers, and nothing else: a program may read it."""
    # Not through the settings: a command that needs none works without them.
    level = {**read_env_file(Path(".env")), **os.environ}.get("LOG_LEVEL", "")
    # Loaded only here: whoever only shows the help does not log.
    import_module("app.logs").configure_logs(level.strip() or "info", sys.stderr)


class CommandLine(CLIPlugin):
    """Adds the groups of this folder to `litestar` and `relampago`."""

    def on_cli_init(self, cli: click.Group) -> None:
        for module, name, text in COMMANDS:
            cli.add_command(Announced(cli, module, name, text))
            for alias in ALIASES.get(name, ()):
                cli.add_command(Announced(cli, module, name, text, hidden=True), name=alias)
