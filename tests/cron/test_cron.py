"""The cron routes: the key in any of its places and nothing else, what each task answers, what the status remembers."""

import datetime as dt
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.cron.service import CronDesk
from app.domain.rates.models import DollarRate
from app.domain.rates.service import RateUpdater
from app.http.throttling import rate_of
from app.server import Relampago
from app.settings import Settings
from sandbox.faults import Fault
from sandbox.server import Sandbox
from sandbox.sheets_grid import SPREADSHEET
from sandbox.sheets_ranges import Area
from tests.factories_catalog import make_category, make_product
from tests.sheets.office import ROW
from tests.shop import People

Sessions = async_sessionmaker[AsyncSession]
KEY = {"Authorization": "demo-cron-key"}
PATHS = (
    ("POST", "/api/cronjob/update_dollar_rate/"),
    ("POST", "/api/cronjob/sync_sheets_pull_command/"),
    ("GET", "/api/cronjob/cronjob_status/"),
    ("POST", "/api/cronjob/test_connection/"),
    ("POST", "/api/cronjob/apply_scheduled_discounts/"),
)
TASKS = {"update_dollar_rate", "sync_sheets_pull", "apply_scheduled_discounts"}


def fail(sandbox: Sandbox, *providers: Any) -> None:
    for provider in providers:
        sandbox.world.faults.add(Fault(provider=provider, status=500, times=100))


async def post(client: httpx.AsyncClient, name: str, status: int = 200) -> dict[str, Any]:
    answer = await client.post(f"/api/cronjob/{name}/", headers=KEY)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def status_of(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/api/cronjob/cronjob_status/", headers=KEY)).json()
    return found


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_only_the_key_opens(
    client: httpx.AsyncClient, sandbox: Sandbox, people: People, method: str, path: str
) -> None:
    for headers in (
        {},
        people.staff,
        people.shopper,
        {"Authorization": "demo-cron-kez"},
        {"Authorization": "Bearer x"},
    ):
        answer = await client.request(method, path, headers=headers)
        assert answer.status_code == 401
        assert answer.json() == {"error": "The key of the cron routes is missing or wrong."}
    assert list(sandbox.world.ledger.requests) == []
    for way in (
        {"headers": KEY},
        {"headers": {"Authorization": "Bearer demo-cron-key"}},
        {"params": {"api_key": "demo-cron-key"}},
        {"json": {"auth_key": "demo-cron-key"}},
        {"data": {"auth_key": "demo-cron-key"}},
    ):
        answer = await client.request(method, path, **way)  # type: ignore[arg-type]
        assert answer.status_code == 200, way


async def test_closed_while_no_key_is_set(
    app: Relampago, client: httpx.AsyncClient, sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.state._state, "settings", msgspec.structs.replace(settings, cronjob_auth_key=""))
    for method, path in PATHS:
        for headers in ({}, KEY, {"Authorization": ""}, {"Authorization": "Bearer "}):
            assert (await client.request(method, path, headers=headers)).status_code == 401
    assert list(sandbox.world.ledger.requests) == []


async def test_guesses_are_counted_and_the_key_is_not(
    app: Relampago, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.state.throttle.rates, "anon", rate_of("3/hour"))
    path = "/api/cronjob/cronjob_status/"
    for _ in range(5):
        assert (await client.get(path, headers=KEY)).status_code == 200
    for _ in range(3):
        assert (await client.get(path, headers={"Authorization": "guess"})).status_code == 401
    assert (await client.get(path, headers={"Authorization": "guess"})).status_code == 429


async def test_the_rates_are_updated(client: httpx.AsyncClient, sandbox: Sandbox) -> None:
    answer = await post(client, "update_dollar_rate")
    assert set(answer) == {"success", "message", "rate"}
    assert answer["message"] == "Cotización actualizada: Dólar Blue 1460.00, Dólar Oficial 1450.00"
    assert (answer["rate"]["rate_type"], answer["rate"]["value"]) == ("blue", "1460.00")
    fail(sandbox, "dolarapi", "bluelytics", "argentinadatos")
    down = await post(client, "update_dollar_rate", 503)
    assert down["code"] == "provider_unavailable"
    state = await status_of(client)
    assert state["status"] == "degraded"
    assert state["jobs"]["update_dollar_rate"]["success"] is False


async def test_the_sheet_is_pulled(client: httpx.AsyncClient, sandbox: Sandbox, db: AsyncSession) -> None:
    await make_category(db, name="Sustratos")
    tab = sandbox.world.sheets.files[SPREADSHEET].tabs["Productos"]
    header = ["ID", "SKU", "Nombre", "Marca", "Categoría", "Precio", "Moneda", "Stock", "Descuento", "Disponible"]
    rows = [[*header, "Actualizado"], [ROW.get(name, "") for name in header], ["", "", "Sin precio"]]
    tab.write(Area("Productos", 0, 0, None, None), rows, parse=False)
    answer = await post(client, "sync_sheets_pull_command")
    assert answer == {
        "success": False,
        "message": "1 creados, 0 actualizados, 0 sin cambios; "
        "row 3: Categoría: This field is required.; Precio: This field is required.",
        "created": 1,
        "updated": 0,
        "skipped": 0,
    }


async def test_the_status_remembers_the_last_run_of_each(client: httpx.AsyncClient, sandbox: Sandbox) -> None:
    state = await status_of(client)
    assert set(state) == {"status", "timestamp", "jobs"}
    assert (state["status"], set(state["jobs"])) == ("ok", TASKS)
    assert state["jobs"]["sync_sheets_pull"] == {"last_run": None, "success": None, "message": "", "result": None}
    await post(client, "update_dollar_rate")
    await post(client, "sync_sheets_pull_command")
    jobs = (await status_of(client))["jobs"]
    assert jobs["sync_sheets_pull"]["result"] == {"created": 0, "updated": 0, "skipped": 0}
    assert jobs["update_dollar_rate"]["result"]["rate"]["value"] == "1460.00"
    assert jobs["update_dollar_rate"]["last_run"] is not None


async def test_an_error_of_ours_is_remembered_too(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the run before would stand there as the last one."""

    async def break_down(_self: object) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(RateUpdater, "refresh_all", break_down)
    desk = CronDesk(sessions)
    with pytest.raises(ZeroDivisionError):
        await desk.update_dollar_rate(RateUpdater.__new__(RateUpdater))
    state = await desk.status()
    assert state.status == "degraded"
    task = state.jobs["update_dollar_rate"]
    assert (task.success, task.message) == (False, "an error of ours: ZeroDivisionError")


async def test_the_connection_is_tried(client: httpx.AsyncClient, sandbox: Sandbox) -> None:
    assert await post(client, "test_connection") == {
        "success": True,
        "message": "Conexión correcta; hojas: Productos",
    }
    fail(sandbox, "sheets")
    assert await post(client, "test_connection") == {
        "success": False,
        "message": "Google Sheets does not answer, try again later.",
    }


async def test_a_rate_that_a_person_keeps_is_left_alone(
    client: httpx.AsyncClient, sandbox: Sandbox, db: AsyncSession
) -> None:
    db.add(DollarRate(value=1300, rate_type="blue"))
    await db.commit()
    answer = await post(client, "update_dollar_rate")
    assert (answer["rate"]["value"], answer["rate"]["auto_update"]) == ("1300.00", False)


async def test_discounts_are_marked_once(
    client: httpx.AsyncClient, sandbox: Sandbox, db: AsyncSession, people: People, settings: Settings
) -> None:
    product = await make_product(db)
    body = {
        "name": "Todo el día",
        "category": product.category_id,
        "discount": "15",
        "day_of_week": dt.datetime.now(settings.zone).weekday(),
    }
    made = await client.post("/api/marketing/scheduled-discounts/", json=body, headers=people.staff)
    assert made.status_code == 201, made.text
    first = await post(client, "apply_scheduled_discounts")
    assert first == {
        "success": True,
        "message": "1 descuentos aplicados, 0 quitados",
        "applied": 1,
        "removed": 0,
        "affected_products": 1,
    }
    again = await post(client, "apply_scheduled_discounts")
    assert (again["applied"], again["removed"], again["affected_products"]) == (0, 0, 0)
    assert (await client.get(f"/api/products/{product.id}/")).json()["discount"] == 0
    jobs = (await status_of(client))["jobs"]
    assert jobs["apply_scheduled_discounts"]["result"] == {"applied": 0, "removed": 0, "affected_products": 0}
