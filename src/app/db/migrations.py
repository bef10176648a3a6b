"""`litestar database ...`: advanced-alchemy's commands over our own Alembic environment."""

from functools import cache
from pathlib import Path

from advanced_alchemy.extensions.litestar import AlembicAsyncConfig, SQLAlchemyAsyncConfig, SQLAlchemyInitPlugin
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.models import Base

# The environment lies beside `src/`; an installed package runs the commands from its project folder.
ALEMBIC = Path(__file__).resolve().parents[3] / "alembic"
VERSION_TABLE = "alembic_version"


def migrations_plugin(engine: AsyncEngine) -> SQLAlchemyInitPlugin:
    """The plugin that brings the `database` commands. Its session is not used: transactions are ours."""
    location = ALEMBIC if ALEMBIC.is_dir() else Path("alembic")
    config = SQLAlchemyAsyncConfig(
        engine_instance=engine,
        metadata=Base.metadata,
        set_default_exception_handler=False,
        create_all=False,
        session_dependency_key="unused_session",
        engine_dependency_key="unused_engine",
        alembic_config=AlembicAsyncConfig(
            script_location=str(location),
            version_table_name=VERSION_TABLE,
            compare_type=True,
            render_as_batch=False,
            template_path=str(location),
        ),
    )
    return SQLAlchemyInitPlugin(config=config)


@cache
def newest_revision() -> str:
    """The revision that this code expects, read from the migration files' names (`0003_accounts.py` is `0003`)."""
    location = ALEMBIC if ALEMBIC.is_dir() else Path("alembic")
    names = sorted(path.stem for path in (location / "versions").glob("[0-9]*.py"))
    return names[-1].partition("_")[0] if names else ""
