"""Our command groups beside Litestar's own."""

from typing import TYPE_CHECKING

from litestar.plugins import CLIPlugin

from app.cli.calendar import calendar
from app.cli.carts import carts
from app.cli.catalog import catalog
from app.cli.demo.commands import demo
from app.cli.doctor.commands import doctor
from app.cli.jobs import jobs
from app.cli.orders import orders
from app.cli.payments import payments
from app.cli.promos import promos
from app.cli.rates import rates
from app.cli.sheets import sheets
from app.cli.stock import stock
from app.cli.users import users

if TYPE_CHECKING:
    from click import Group

GROUPS: tuple["Group", ...] = (carts, catalog, demo, jobs, orders, payments, promos, rates, sheets, stock, users)
promos.add_command(calendar)


class CommandLine(CLIPlugin):
    """Adds the groups of this folder to `litestar` and `relampago`."""

    def on_cli_init(self, cli: "Group") -> None:
        for group in GROUPS:
            cli.add_command(group)
        cli.add_command(doctor)
