"""What a run takes over from the sheet is logged as theirs who began it."""

from typing import Any

from sqlalchemy import text

from app.http.principal import Principal
from app.jobs import sheets as jobs
from tests.factories_catalog import make_category, make_product
from tests.sheets.office import ROW, Office

LOGGED = text("""
    SELECT user_id, host(ip_address), action, object_id, description FROM activity_log
     WHERE content_type = 'product' ORDER BY id
""")


async def boss_of(office: Office) -> Principal:
    row = (await office.db.execute(text("SELECT id, username FROM users WHERE is_staff"))).one()
    return Principal(row.id, row.username, "", is_staff=True, is_superuser=False)


async def logged(office: Office) -> list[tuple[Any, ...]]:
    rows = [tuple(row) for row in await office.db.execute(LOGGED)]
    await office.db.commit()
    return rows


async def test_what_staff_take_over_is_theirs(office: Office) -> None:
    await make_category(office.db, name="Sustratos")
    product = await make_product(office.db, name="Maceta", stock=4)
    await office.post("", {"product_id": product.id})
    assert await logged(office) == []
    office.type(2, Marca="Otra", Stock=6)
    await office.post("", {"product_id": product.id})
    office.type(3, **ROW)
    await office.post("pull/")
    office.type(2, Marca="Otra más")
    await office.post("bulk/")
    rows, boss = await logged(office), await boss_of(office)
    assert {row[:2] for row in rows} == {(boss.id, "127.0.0.1")}
    assert [(row[2], row[4]) for row in rows] == [
        ("update", "Producto actualizado: Maceta"),
        ("create", "Nuevo producto creado: Sustrato"),
        ("update", "Producto actualizado: Maceta"),
    ]


async def test_a_run_remembers_who_began_it(office: Office) -> None:
    """Whoever works on it; the one whose account is gone is nobody, and what the clock began is nobody's."""
    product = await make_product(office.db, name="Maceta")
    await office.post("", {"product_id": product.id})
    boss = await boss_of(office)
    for brand, actor in (("Una", boss), ("Dos", None)):
        office.type(2, Marca=brand)
        run_id = await office.sync.begin("from-sheets", "api", actor=actor)
        assert await jobs.run.run(office.work, run_id=str(run_id)) == "completed"
    assert [row[0] for row in await logged(office)] == [boss.id, None]
    office.type(2, Marca="Tres")
    run_id = await office.sync.begin("from-sheets", "api", actor=boss)
    await office.db.execute(text("DELETE FROM users WHERE id = :id"), {"id": boss.id})
    await office.db.commit()
    assert await jobs.run.run(office.work, run_id=str(run_id)) == "completed"
    assert [row[0] for row in await logged(office)] == [None] * 3
