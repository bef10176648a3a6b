"""Every domain's tables, for Alembic and the tests."""

from importlib import import_module

DOMAINS_WITH_TABLES: tuple[str, ...] = (
    "activity",
    "events",
    "accounts",
    "devices",
    "rates",
    "site",
    "inventory",
    "catalog",
    "stores",
    "marketing",
    "carts",
    "orders",
    "payments",
    "promos",
    "notifications",
    "email",
    "sheets",
    "cron",
    "analytics",
    "visitors",
    "webhooks",
    "moving",
)


def load() -> None:
    """Import all models, so that the metadata is complete."""
    for domain in DOMAINS_WITH_TABLES:
        import_module(f"app.domain.{domain}.models")
