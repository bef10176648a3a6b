"""What lists, search and caches of the catalogue need."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).resolve().parents[1] / "sql" / "catalogue_1.sql"
# Tables whose rows decide what a list shows.
MARKED = ("category", "product", "product_option", "dollar_rate", "offer", "offer_product", "scheduled_discount")
NAMES = (
    "catalogue_mark()",
    "catalogue_count()",
    "catalogue_query(text)",
    "catalogue_term(text)",
    "catalogue_near(text)",
    "catalogue_distance(text, text)",
    "catalogue_errors(text)",
    "catalogue_known(text)",
    "catalogue_index_category()",
    "catalogue_index_product()",
    "catalogue_vector(text, text, text)",
    "catalogue_quote(text)",
    "catalogue_words(text)",
    "catalogue_bare(text)",
    "catalogue_fold(text)",
)
ALIVE = sa.text("deleted_at IS NULL")
NEWEST = (sa.text("created_at DESC"), sa.text("id DESC"))


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("CREATE EXTENSION IF NOT EXISTS fuzzystrmatch")
    op.add_column("product", sa.Column("search_name", sa.Text(), nullable=False, server_default=""))
    op.add_column(
        "product", sa.Column("search_words", postgresql.TSVECTOR(), nullable=False, server_default=sa.text("''"))
    )
    create_tables()
    connection = op.get_bind()
    sql = FUNCTIONS.read_text(encoding="utf-8")
    # The library's settings exist once it is loaded; before that only a superuser may name them in a function.
    op.execute("SELECT show_limit()")
    connection.connection.dbapi_connection.run_async(lambda raw: raw.execute(sql))
    op.execute("UPDATE product SET name = name")
    op.execute(
        "INSERT INTO product_tally (category_id, is_available, products) "
        "SELECT category_id, is_available, count(*) FROM product WHERE deleted_at IS NULL GROUP BY 1, 2"
    )
    create_indexes()
    # Marks last: a table with a deferred trigger's events waiting cannot be altered.
    for table in MARKED:
        op.execute(
            f"CREATE CONSTRAINT TRIGGER catalogue_mark AFTER INSERT OR UPDATE OR DELETE ON {table} "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION catalogue_mark()"
        )


def create_tables() -> None:
    op.create_table(
        "search_word",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("word", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_word")),
    )
    op.create_table(
        "product_tally",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("category_id", sa.BigInteger(), nullable=True),
        sa.Column("is_available", sa.Boolean(), nullable=False),
        sa.Column("products", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product_tally")),
    )
    op.create_table(
        "catalogue_version",
        sa.Column("single", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("single", name=op.f("pk_catalogue_version")),
        sa.CheckConstraint("single", name=op.f("ck_catalogue_version_one_row")),
        postgresql_with={"fillfactor": 10},
    )


def create_indexes() -> None:
    op.create_index("ix_search_word_word", "search_word", ["word"])
    op.create_index(
        "ix_search_word_trigrams",
        "search_word",
        ["word"],
        postgresql_using="gin",
        postgresql_ops={"word": "gin_trgm_ops"},
    )
    op.create_index(
        "ix_product_search_words",
        "product",
        ["search_words"],
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
        postgresql_where=ALIVE,
    )
    op.create_index("ix_product_category_newest", "product", ["category_id", *NEWEST], postgresql_where=ALIVE)
    op.create_index("ix_product_brand_newest", "product", [sa.text("lower(brand)"), *NEWEST], postgresql_where=ALIVE)
    op.create_index(
        "ix_product_on_sale",
        "product",
        [*NEWEST],
        postgresql_where=sa.text("deleted_at IS NULL AND (discount > 0 OR has_special_promotion)"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in MARKED:
        op.execute(f"DROP TRIGGER catalogue_mark ON {table}")
    for name in ("insert", "update", "delete"):
        op.execute(f"DROP TRIGGER catalogue_count_{name} ON product")
    op.execute("DROP TRIGGER catalogue_words ON product")
    op.execute("DROP TRIGGER catalogue_words ON category")
    for name in NAMES:
        op.execute(f"DROP FUNCTION {name}")
    for index in ("ix_product_on_sale", "ix_product_brand_newest", "ix_product_category_newest"):
        op.drop_index(index, table_name="product")
    op.drop_index("ix_product_search_words", table_name="product")
    for table in ("catalogue_version", "product_tally", "search_word"):
        op.drop_table(table)
    op.drop_column("product", "search_words")
    op.drop_column("product", "search_name")
    op.execute("DROP EXTENSION IF EXISTS fuzzystrmatch")
