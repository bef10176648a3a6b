"""What the dollar costs in the sandbox: one table for the three services that quote it."""

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec

ARGENTINA = ZoneInfo("America/Argentina/Buenos_Aires")
# In dolarapi's order: house, its name there, what it buys and sells at.
HOUSES = (
    ("oficial", "Oficial", "1400", "1450"),
    ("blue", "Blue", "1440", "1460"),
    ("bolsa", "Bolsa", "1438.2", "1443.5"),
    ("contadoconliqui", "Contado con liquidación", "1455.1", "1462.7"),
    ("mayorista", "Mayorista", "1420", "1429"),
    ("cripto", "Cripto", "1465", "1471.3"),
    ("tarjeta", "Tarjeta", "1820", "1885"),
)


class House(msgspec.Struct):
    """A kind of dollar. `at` is when it was quoted; None is just now."""

    casa: str
    nombre: str
    compra: Decimal | None
    venta: Decimal
    at: dt.datetime | None = None

    @property
    def quoted_at(self) -> dt.datetime:
        return self.at or dt.datetime.now(dt.UTC).replace(microsecond=0)

    @property
    def day(self) -> dt.date:
        return self.quoted_at.astimezone(ARGENTINA).date()


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """What a house is to quote from now on."""

    casa: str
    venta: Decimal
    compra: Decimal | None = None
    at: dt.datetime | None = None


class RatesTable:
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.houses = {casa: House(casa, name, Decimal(buy), Decimal(sell)) for casa, name, buy, sell in HOUSES}

    def change(self, change: Change) -> bool:
        """False for a house that is not there."""
        house = self.houses.get(change.casa)
        if house is None:
            return False
        house.venta, house.compra, house.at = change.venta, change.compra, change.at
        return True
