"""Alembic run as the command line runs it, in this process; and a picture of a schema to compare."""

import asyncio
import os
from pathlib import Path
from shutil import copytree
from typing import Any
from unittest import mock

import asyncpg
from alembic import command
from alembic.config import Config

from tests.conftest import ROOT, SECRET

ALEMBIC = ROOT / "alembic"
# What belongs to no extension and not to Alembic itself: (kind, name, definition).
PICTURE = """
    WITH ours AS (
        SELECT c.oid, c.relname, c.relkind FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
           -- Partitions are the clock's; what they have they have from the table.
           AND NOT c.relispartition
    )
    SELECT 'column', o.relname || '.' || a.attname,
           format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || ' ' || a.attidentity::text
               || ' ' || COALESCE(pg_get_expr(f.adbin, f.adrelid), '')
      FROM ours o JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef f ON f.adrelid = o.oid AND f.adnum = a.attnum
     WHERE o.relkind IN ('r', 'p')
    UNION ALL
    SELECT 'index', o.relname, pg_get_indexdef(o.oid) FROM ours o
     WHERE o.relkind IN ('i', 'I') AND o.relname NOT LIKE 'alembic_version%'
    UNION ALL
    SELECT 'constraint', n.conname, o.relname || ' ' || pg_get_constraintdef(n.oid)
      FROM ours o JOIN pg_constraint n ON n.conrelid = o.oid
    UNION ALL
    SELECT 'option', o.relname, array_to_string(c.reloptions, ', ')
      FROM ours o JOIN pg_class c ON c.oid = o.oid WHERE c.reloptions IS NOT NULL
    UNION ALL
    SELECT 'function', p.oid::regprocedure::text, pg_get_functiondef(p.oid) FROM pg_proc p
     WHERE p.pronamespace = 'public'::regnamespace AND p.prokind IN ('f', 'p')
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    UNION ALL
    SELECT 'type', t.typname, t.typtype::text FROM pg_type t
     WHERE t.typnamespace = 'public'::regnamespace AND t.typtype IN ('e', 'd', 'c')
       AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e')
    UNION ALL
    SELECT 'trigger', g.tgname, pg_get_triggerdef(g.oid) FROM pg_trigger g JOIN ours o ON o.oid = g.tgrelid
     WHERE NOT g.tgisinternal
    UNION ALL
    SELECT 'extension', e.extname, '' FROM pg_extension e WHERE e.extname <> 'plpgsql'
    ORDER BY 1, 2, 3
"""


async def alembic(name: str, url: str, *arguments: Any, folder: Path = ALEMBIC, **environ: str) -> None:
    """`upgrade`, `downgrade`, `check` and so on against a database, in a thread: env.py has a loop of its own."""
    config = Config()
    config.set_main_option("script_location", str(folder))
    settings = {"DATABASE_URL": url, "DATABASE_ADMIN_URL": url, "SECRET_KEY": SECRET} | environ

    def run() -> None:
        with mock.patch.dict(os.environ, settings), Path(os.devnull).open("w") as nowhere:
            config.print_stdout = lambda text, *values: nowhere.write(text % values if values else text)  # type: ignore[assignment,method-assign]
            getattr(command, name)(config, *arguments)

    await asyncio.to_thread(run)


async def picture(url: str) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in await fetch(url, PICTURE)]


async def fetch(url: str, statement: str) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        rows: list[Any] = await connection.fetch(statement)
        return rows
    finally:
        await connection.close()


async def version(url: str) -> str:
    ((revision,),) = await fetch(url, "SELECT version_num FROM alembic_version")
    return str(revision)


def with_revision(folder: Path, previous: str, body: str) -> Path:
    """A copy of the migrations with one more, whose upgrade is `body`."""
    copy = folder / "alembic"
    copytree(ALEMBIC, copy)
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    text = f'from alembic import op\n\nrevision = "9999"\ndown_revision = "{previous}"\n\n\ndef upgrade():\n{lines}\n'
    (copy / "versions" / "9999_extra.py").write_text(text + "\n\ndef downgrade():\n    pass\n", encoding="utf-8")
    return copy
