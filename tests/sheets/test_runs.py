"""Runs: keys, one at a time, watched while they work, ended by failures, resumed after a kill; the jobs."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.inventory.service import StockService
from app.domain.sheets.models import SheetRow, SheetRun
from app.domain.sheets.service import passing, records, runs
from app.jobs import sheets as jobs
from app.server import Relampago
from app.settings import Settings
from tests.factories_catalog import make_category, make_product
from tests.sheets.office import KEY, ROW, Office

DOWN = {"error": "Google Sheets does not answer, try again later.", "code": "provider_unavailable"}
POSTS = ("/api/sync-sheets/", "/api/sync/pull/", "/api/cronjob-sync/")


async def sync(office: Office, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = await office.client.post("/api/sync-sheets/", json={"auth_key": "demo-cron-key", **body})
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def latest(office: Office) -> dict[str, Any]:
    answer = await office.client.get("/api/sync-status/", headers=office.people.staff)
    found: dict[str, Any] = answer.json()
    return found


async def waiting_jobs(db: AsyncSession, name: str) -> list[dict[str, Any]]:
    rows = await db.execute(
        text("SELECT args FROM procrastinate_jobs WHERE task_name = :n AND status = 'todo'"), {"n": name}
    )
    found = list(rows.scalars())
    await db.commit()
    return found


async def test_the_key_opens_from_header_and_body_alone(office: Office) -> None:
    for path in POSTS:
        for refused in ({}, office.people.staff, {"Authorization": "wrong"}, {"Authorization": "Basic eDp5"}):
            answer = await office.client.post(path, json={"auth_key": ""}, headers=refused)
            assert (answer.status_code, set(answer.json())) == (401, {"error"}), path
        assert (await office.client.post(path, json={"auth_key": "wrong"})).status_code == 401
        assert (await office.client.post(path, json={"auth_key": "demo-cron-key", "async": False})).status_code == 200
        assert (await office.client.post(path, json={"async": False}, headers=KEY)).status_code == 200
        form = {"auth_key": "demo-cron-key", "async": "false"}
        assert (await office.client.post(path, data=form)).status_code == 200
    answer = await office.client.get("/api/cronjob-sync/status/", headers=office.people.staff)
    assert answer.status_code == 401
    for headers in (KEY, {"Authorization": "Bearer demo-cron-key"}):
        assert (await office.client.get("/api/cronjob-sync/status/", headers=headers)).status_code == 200


async def test_a_pull_under_a_key_is_one_run(office: Office) -> None:
    """Asked again with the same key it reads the same answer, and the sheet is left alone; the key opens nothing."""
    headers = {**KEY, "Idempotency-Key": "pull-1"}
    doors = (("/api/sync/pull/", KEY), ("/api/products/sync/pull/", office.people.staff))
    for path, who in doors:
        before = await office.db.scalar(text("SELECT count(*) FROM sheet_run"))
        first = await office.client.post(path, json={}, headers=headers | who)
        again = await office.client.post(path, json={}, headers=headers | who)
        assert (first.status_code, first.content) == (200, again.content), first.text
        assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
        assert await office.db.scalar(text("SELECT count(*) FROM sheet_run")) == before + 1
        await office.db.commit()
        closed = await office.client.post(path, json={}, headers={"Idempotency-Key": "pull-1"})
        assert closed.status_code == 401


async def test_without_a_key_in_the_settings_all_is_closed(
    office: Office, app: Relampago, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.state._state, "settings", msgspec.structs.replace(settings, cronjob_auth_key=""))
    for path in POSTS:
        for headers in ({}, {"Authorization": ""}, {"Authorization": "Bearer "}, KEY):
            answer = await office.client.post(path, json={"auth_key": ""}, headers=headers)
            assert answer.status_code == 401


async def test_who_may_see_the_state(office: Office) -> None:
    url = "/api/sync-status/"
    idle = {"sync_id": None, "status": "idle", "started_at": None, "finished_at": None, "result": None}
    for headers in (office.people.staff, KEY):
        answer = await office.client.get(url, headers=headers)
        assert (answer.status_code, answer.json()) == (200, idle)
    for refused, status in (({}, 401), ({"Authorization": "wrong"}, 401), (office.people.shopper, 403)):
        assert (await office.client.get(url, headers=refused)).status_code == status
    for unknown in ("6f1c2b34-0000-4000-8000-000000000000", "7", "x"):
        answer = await office.client.get(f"{url}{unknown}/", headers=KEY)
        assert (answer.status_code, answer.json()) == (404, {"error": "There is no run of this id."})


async def test_a_synchronous_run_answers_its_result(office: Office) -> None:
    await make_category(office.db, name="Sustratos")
    await make_product(office.db)
    office.head()
    office.type(2, **ROW)
    answer = await sync(office, **{"async": False})
    assert set(answer) == {"success", "sync_id", "status", "result"}
    assert (answer["success"], answer["status"]) == (True, "completed")
    counts = {name: answer["result"][name] for name in ("total", "done", "created", "updated", "pushed", "failed")}
    assert counts == {"total": 2, "done": 2, "created": 1, "updated": 0, "pushed": 1, "failed": 0}
    state = await latest(office)
    assert (state["sync_id"], state["result"]) == (answer["sync_id"], answer["result"])
    assert state["started_at"] < state["finished_at"]


async def test_directions(office: Office) -> None:
    product = await make_product(office.db, brand="Una")
    await sync(office, direction="from-sheets", **{"async": False})
    assert len(office.rows()) == 1
    await sync(office, direction="to-sheets", **{"async": False})
    office.type(2, Marca="Otra")
    await office.patch(product.id, price="9.00")
    await sync(office, direction="to-sheets", **{"async": False})
    assert (office.row(2)["Marca"], office.row(2)["Precio"]) == ("Otra", 9.0)
    assert (await office.product(product.id))["brand"] == "Una"
    await sync(office, direction="from-sheets", **{"async": False})
    assert (await office.product(product.id))["brand"] == "Otra"
    refused = await sync(office, 400, direction="sideways")
    assert set(refused) == {"direction"}


async def test_a_run_in_the_background(office: Office) -> None:
    product = await make_product(office.db)
    answer = await sync(office, 202)
    assert answer == {"success": True, "sync_id": answer["sync_id"], "status": "pending"}
    assert await waiting_jobs(office.db, "sheets:run") == [{"run_id": answer["sync_id"]}]
    assert (await latest(office))["status"] == "pending"
    busy = await sync(office, 409)
    assert (set(busy), busy["code"]) == ({"error", "code"}, "sync_running")
    await office.post("bulk/", status=409)
    assert await jobs.run.run(office.work, run_id=answer["sync_id"]) == "completed"
    state = await latest(office)
    assert (state["status"], state["result"]["pushed"]) == ("completed", 1)
    assert office.row(2)["ID"] == product.id
    assert await jobs.run.run(office.work, run_id=answer["sync_id"]) == "completed"


async def test_force_ends_the_run_under_way(office: Office) -> None:
    first = await sync(office, 202)
    second = await sync(office, 202, force=True)
    one = await office.client.get(f"/api/sync-status/{first['sync_id']}/", headers=KEY)
    assert one.json()["status"] == "cancelled"
    assert await jobs.run.run(office.work, run_id=first["sync_id"]) == "cancelled"
    assert await jobs.run.run(office.work, run_id=second["sync_id"]) == "completed"


async def test_the_progress_is_seen_while_a_run_works(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing, "CHUNK", 2)
    for _ in range(5):
        await make_product(office.db)
    answer = await sync(office, 202)
    seen = []
    write = office.sync.client.write

    async def slowly(ranges: Any) -> None:
        seen.append((await latest(office))["result"])
        await write(ranges)

    monkeypatch.setattr(office.sync.client, "write", slowly)
    await office.sync.work(UUID(answer["sync_id"]))
    assert [(result["total"], result["done"], result["pushed"]) for result in seen[1:]] == [
        (5, 2, 0),
        (5, 4, 2),
        (5, 5, 4),
    ]


async def test_a_silent_provider_fails_the_run_and_changes_nothing(office: Office) -> None:
    await make_product(office.db)
    office.fail(status=503, times=100)
    answer = await office.client.post("/api/products/sync/bulk/", json={}, headers=office.people.staff)
    assert (answer.status_code, answer.json()) == (503, DOWN)
    assert "retry-after" in answer.headers
    state = await latest(office)
    assert state["status"] == "failed"
    assert state["result"]["error"]
    office.sandbox.world.faults.reset()
    assert (await office.post("bulk/"))["synced"] == 1


async def test_not_configured_is_503(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    product = await make_product(office.db)
    monkeypatch.setattr(office.sync.client, "_spreadsheet", "")
    body = {"error": "The link to Google Sheets is not configured.", "code": "sheets_not_configured"}
    assert await office.post("", {"product_id": product.id}, status=503) == body
    assert await office.post("pull/", status=503) == body
    assert (await office.get("status/"))["configured"] is False
    assert await sync(office, 503) == body


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_kill_between_write_and_record_counts_no_stock_twice(
    office: Office, monkeypatch: pytest.MonkeyPatch, *, arrived: bool
) -> None:
    product = await make_product(office.db, stock=10)
    await office.post("bulk/")
    await StockService(office.db).add(product.pool_id, -4, cause="sold")
    await office.db.commit()
    write = office.sync.client.write

    class Killed(BaseException):
        pass

    async def die(ranges: Any) -> None:
        if arrived:
            await write(ranges)
        raise Killed

    run_id = await office.sync.begin("bidirectional", "api")
    with monkeypatch.context() as patched:
        patched.setattr(office.sync.client, "write", die)
        with pytest.raises(Killed):
            await office.sync.work(run_id)
    assert office.row(2)["Stock"] == (6 if arrived else 10)
    assert (await latest(office))["status"] == "running"
    assert await jobs.resume.run(office.work) == 0
    await office.db.execute(update(SheetRun).values(heartbeat_at=text("now() - interval '1 minute'")))
    await office.db.commit()
    assert await jobs.resume.run(office.work) == 1
    assert await waiting_jobs(office.db, "sheets:run") == [{"run_id": str(run_id)}]
    assert await jobs.run.run(office.work, run_id=str(run_id)) == "completed"
    assert (await office.product(product.id))["stock"] == 6
    assert office.row(2)["Stock"] == 6


async def test_a_kill_after_a_creation_makes_no_second_product(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    await make_category(office.db, name="Sustratos")
    office.head()
    office.type(2, **ROW)

    async def die(_ranges: Any) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(office.sync.client, "write", die)
        with pytest.raises(asyncio.CancelledError):
            await office.sync.now("bidirectional", "api")
    assert office.row(2)["ID"] == ""
    assert (await sync(office, force=True, **{"async": False}))["result"]["created"] == 0
    made = (await office.db.execute(select(SheetRow.product_id))).scalars().all()
    assert [office.row(2)["ID"]] == made


async def test_a_process_that_was_replaced_keeps_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    product = await make_product(office.db, brand="Una")
    await office.post("bulk/")
    office.type(2, Marca="Otra")
    load = records.load

    async def be_replaced(session: AsyncSession, ids: Any) -> Any:
        await office.db.execute(update(SheetRun).values(status="cancelled", finished_at=text("now()")))
        await office.db.commit()
        return await load(session, ids)

    monkeypatch.setattr(records, "load", be_replaced)
    await office.post("pull/", status=409)
    assert (await office.product(product.id))["brand"] == "Una"


async def test_product_writes_are_pushed_by_one_job(office: Office, client: httpx.AsyncClient) -> None:
    category = await make_category(office.db)
    body = {"name": "Nuevo", "price": "10.00", "category": category.id, "stock": 3}
    made = (await client.post("/api/products/", json=body, headers=office.people.staff)).json()
    await office.patch(made["id"], price="11.00")
    assert len(await waiting_jobs(office.db, "sheets:push")) == 1
    assert await jobs.push.run(office.work) == "1 rows"
    assert (office.row(2)["ID"], office.row(2)["Precio"], office.row(2)["Stock"]) == (made["id"], 11.0, 3)
    assert await jobs.push.run(office.work) == "0 rows"
    assert (await latest(office))["status"] == "idle"
    runs = (await office.db.execute(select(SheetRun.trigger))).scalars().all()
    assert runs == ["job"]


async def test_a_push_gives_way_to_another_run_and_comes_again(office: Office) -> None:
    product = await make_product(office.db, brand="Una")
    await sync(office, 202)
    assert await jobs.push.run(office.work) == "later, another run is under way"
    assert await waiting_jobs(office.db, "sheets:push") == [{}]
    assert await jobs.push.run(office.work) == "later, another run is under way"
    assert await waiting_jobs(office.db, "sheets:push") == [{}]
    await office.db.execute(update(SheetRun).values(status="cancelled", finished_at=text("now()")))
    await office.db.commit()
    assert await jobs.push.run(office.work) == "1 rows"
    assert office.row(2)["ID"] == product.id


async def test_the_cron_route_counts_what_it_moved(office: Office) -> None:
    product = await make_product(office.db)
    answer = await office.client.post("/api/cronjob-sync/", headers=KEY)
    assert answer.json() == {"success": True, "processed": 1, "message": "1 filas sincronizadas"}
    office.type(2, Marca="Otra")
    pulled = await office.client.post("/api/sync/pull/", json={"auth_key": "demo-cron-key"})
    assert pulled.json() == {"success": True, "created": 0, "updated": 1, "skipped": 0, "errors": []}
    assert (await office.product(product.id))["brand"] == "Otra"
    state = (await office.client.get("/api/cronjob-sync/status/", headers=KEY)).json()
    assert (state["status"], state["last_result"]["updated"]) == ("completed", 1)
    assert state["last_run"] is not None


async def test_a_run_in_the_background_comes_with_its_job_or_not_at_all(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(runs, "queue_run", fail)
        answer = await office.client.post("/api/sync-sheets/", json={"auth_key": "demo-cron-key"})
    assert answer.status_code >= 500
    assert (await office.db.execute(select(SheetRun))).first() is None
    assert await waiting_jobs(office.db, "sheets:run") == []
    assert (await sync(office, 202))["status"] == "pending"


async def test_a_product_is_not_taken_out_while_a_run_is_under_way(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a run begin while one is taken out: it would write the row again."""
    product = await make_product(office.db)
    await office.post("bulk/")
    run = await sync(office, 202)
    path = f"/api/products/sync/{product.id}/"
    answer = await office.client.delete(path, headers=office.people.staff)
    assert (answer.status_code, answer.json()["code"]) == (409, "sync_running")
    assert office.row(2)["ID"] == product.id
    assert await jobs.run.run(office.work, run_id=run["sync_id"]) == "completed"
    clear, statuses = office.sync.client.clear, []

    async def beside(ranges: Any) -> None:
        statuses.append((await office.client.post("/api/cronjob-sync/", headers=KEY)).status_code)
        await clear(ranges)

    monkeypatch.setattr(office.sync.client, "clear", beside)
    assert (await office.client.delete(path, headers=office.people.staff)).status_code == 200
    assert statuses == [409]
    assert len(office.rows()) == 1
    assert (await latest(office))["sync_id"] == run["sync_id"]
    assert (await sync(office, **{"async": False}))["result"]["pushed"] == 0


async def test_force_beats_a_product_that_is_being_taken_out(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    product = await make_product(office.db)
    await office.post("bulk/")
    clear = office.sync.client.clear

    async def beside(ranges: Any) -> None:
        await clear(ranges)
        await sync(office, force=True, **{"async": False})

    monkeypatch.setattr(office.sync.client, "clear", beside)
    path = f"/api/products/sync/{product.id}/"
    answer = await office.client.delete(path, headers=office.people.staff)
    assert (answer.status_code, answer.json()["code"]) == (409, "sync_running")
    assert office.rows()[-1][0] == product.id
    assert (await office.get("status/"))["synced_products"] == 1


async def test_a_row_that_names_its_product_by_sku_alone_is_taken_out(office: Office) -> None:
    product = await make_product(office.db)
    await office.post("bulk/")
    office.type(2, ID="")
    answer = await office.client.delete(f"/api/products/sync/{product.id}/", headers=office.people.staff)
    assert answer.status_code == 200
    assert len(office.rows()) == 1
