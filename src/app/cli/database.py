"""`litestar database ...`: advanced-alchemy's commands over our own Alembic environment."""

import click
from advanced_alchemy.cli import add_migration_commands
from advanced_alchemy.extensions.litestar import AlembicAsyncConfig, SQLAlchemyAsyncConfig
from advanced_alchemy.utils.cli_tools import group
from litestar.cli._utils import LitestarGroup

from app import registry
from app.db.engine import create_engine
from app.db.migrations import VERSION_TABLE, migrations_folder
from app.db.models import Base
from app.settings import Settings, load_settings


@group(cls=LitestarGroup, name="database", aliases=["db"])
def database(ctx: click.Context) -> None:
    """Manage SQLAlchemy database components."""
    registry.load()
    ctx.obj = {"app": ctx.obj, "configs": [migrations(load_settings())]}


add_migration_commands(database)


def migrations(settings: Settings) -> SQLAlchemyAsyncConfig:
    """What the commands work on: the settings' database, our tables and our revisions."""
    location = str(migrations_folder())
    return SQLAlchemyAsyncConfig(
        engine_instance=create_engine(settings, name="relampago-cli", patient=True),
        metadata=Base.metadata,
        create_all=False,
        alembic_config=AlembicAsyncConfig(
            script_location=location,
            version_table_name=VERSION_TABLE,
            compare_type=True,
            render_as_batch=False,
            template_path=location,
        ),
    )
