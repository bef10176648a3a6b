"""What the tests do with the sheet: look at it, type into it, call the API."""

from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.sheets.rules.cells import HEADER
from app.domain.sheets.service.engine import SheetSync
from app.jobs.work import Work
from sandbox.faults import Fault
from sandbox.server import Sandbox
from sandbox.sheets_grid import SPREADSHEET, Tab
from sandbox.sheets_ranges import Area
from tests.shop import People

KEY = {"Authorization": "demo-cron-key"}
ROW = {"Nombre": "Sustrato", "Categoría": "Sustratos", "Precio": 1500.5, "Moneda": "ARS", "Stock": 7, "Descuento": 0}
ROW |= {"Marca": "Biobizz", "Disponible": True}


@dataclass
class Office:
    """`db` commits for itself; `sync` is what the application works with."""

    client: httpx.AsyncClient
    db: AsyncSession
    sandbox: Sandbox
    people: People
    sync: SheetSync
    work: Work

    @property
    def tab(self) -> Tab:
        return self.sandbox.world.sheets.files[SPREADSHEET].tabs["Productos"]

    def rows(self) -> list[list[Any]]:
        return self.tab.read(Area("Productos", 0, 0, None, None))

    def row(self, number: int) -> dict[str, Any]:
        """A row's cells by their headings; the first below the header is 2."""
        cells = self.rows()[number - 1]
        return dict(zip(HEADER, [*cells, *[""] * (len(HEADER) - len(cells))], strict=True))

    def type(self, number: int, **cells: Any) -> None:
        """A person writes into cells, by heading."""
        for name, value in cells.items():
            place = (number - 1, HEADER.index(name))
            if value == "":
                self.tab.cells.pop(place, None)
            else:
                self.tab.cells[place] = value

    def head(self) -> None:
        """The header, as somebody who makes the sheet by hand writes it."""
        self.type(1, **{name: name for name in HEADER})

    def fail(self, **fault: Any) -> None:
        self.sandbox.world.faults.add(Fault(provider="sheets", **fault))

    async def post(self, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
        """As staff below `/api/products/sync/`."""
        answer = await self.client.post(f"/api/products/sync/{path}", json=body or {}, headers=self.people.staff)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def get(self, path: str) -> dict[str, Any]:
        answer = await self.client.get(f"/api/products/sync/{path}", headers=self.people.staff)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def product(self, product_id: int) -> dict[str, Any]:
        answer = await self.client.get(f"/api/products/{product_id}/", headers=self.people.staff)
        found: dict[str, Any] = answer.json()
        return found

    async def patch(self, product_id: int, **fields: Any) -> None:
        answer = await self.client.patch(f"/api/products/{product_id}/", json=fields, headers=self.people.staff)
        assert answer.status_code == 200, answer.text
