"""Settings: one frozen Struct read from the environment and from `.env`.

A setting that production needs and does not find stops the start and is named in the message.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from app.db.addresses import database_url_of, database_ways, with_driver
from app.db.pooling import Way
from app.environment import (
    DEMO_CRON_KEY,
    KNOWN_SECRETS,
    SettingsError,
    base_url,
    flag,
    mail_server,
    mercadopago,
    numbers_of,
    origins_of,
    picture_host,
    read_env_file,
    secret_of,
    throttles_of,
    whole,
    zone_name,
)

DEVELOPMENT = "development"
PRODUCTION = "production"
FCM_URL = "https://fcm.googleapis.com"
# Under each setting: the real provider, and the sandbox's path for it.
PROVIDERS = {
    "FCM_BASE_URL": (FCM_URL, "/fcm"),
    "GOOGLE_SHEETS_BASE_URL": ("https://sheets.googleapis.com", "/sheets"),
    "CLOUDINARY_UPLOAD_PREFIX": ("https://api.cloudinary.com", "/cloudinary"),
    "DOLARAPI_BASE_URL": ("https://dolarapi.com", "/dolarapi"),
    "BLUELYTICS_BASE_URL": ("https://api.bluelytics.com.ar", "/bluelytics"),
    "ARGENTINADATOS_BASE_URL": ("https://api.argentinadatos.com", "/argentinadatos"),
}
SANDBOX_SPREADSHEET = "relampago-sandbox-spreadsheet"
# The sandbox writes it, one for each of its ports; relative to the project's folder, where the processes run.
SANDBOX_ACCOUNT = "var/sandbox/service-account-{port}.json"
DEVELOPMENT_RATE_FACTOR = 100
RATES = {
    "anon": "100/hour",
    "user": "1000/hour",
    "register": "5/hour",
    "login": "10/minute",
    "change_password": "5/hour",
    "profile_update": "30/hour",
    "product_create": "100/day",
    "order_create": "50/day",
}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the environment decides. Field names are the settings' names in lower case."""

    app_env: str = DEVELOPMENT
    port: int = 8000
    sandbox_port: int = 8001
    database_url: str
    database_admin_url: str
    database_direct_url: str = ""
    database_read_url: str = ""
    database_pooler: str = "none"
    secret_key: str
    secret_key_previous: str = ""
    time_zone: str = "America/Argentina/Buenos_Aires"
    auth_basic_enabled: bool = True
    cronjob_auth_key: str = ""
    hold_seconds: int = 60
    order_payment_minutes: int = 30
    order_cash_hours: int = 48
    cart_abandoned_minutes: int = 300
    cart_reminders: int = 0
    throttles: dict[str, str] = {}
    trusted_proxies: int = 0
    public_url: str = ""
    frontend_url: str = ""
    mercadopago_base_url: str = ""
    mercadopago_access_token: str = ""
    mercadopago_webhook_secret: str = ""
    mercadopago_collector_id: str = ""
    fcm_base_url: str = FCM_URL
    google_sheets_base_url: str = PROVIDERS["GOOGLE_SHEETS_BASE_URL"][0]
    google_sheets_spreadsheet_id: str = ""
    dolarapi_base_url: str = PROVIDERS["DOLARAPI_BASE_URL"][0]
    bluelytics_base_url: str = PROVIDERS["BLUELYTICS_BASE_URL"][0]
    argentinadatos_base_url: str = PROVIDERS["ARGENTINADATOS_BASE_URL"][0]
    google_service_account_file: str = ""
    smtp_host: str = ""
    smtp_port: int = 25
    smtp_username: str = ""
    smtp_password: str = ""
    smtp_tls_mode: str = "none"
    mail_from: str = ""
    media_backend: str = "local"
    cloudinary_url: str = ""
    cloudinary_upload_prefix: str = PROVIDERS["CLOUDINARY_UPLOAD_PREFIX"][0]
    media_root: str = "var/media"
    geoip_database: str = ""
    worker_concurrency: int = 10
    worker_metrics_port: int = 0
    web_workers: int = 1
    db_pool_size: int = 8
    cors_allowed_origins: tuple[str, ...] = ("*",)
    push_daily_cap: int = 5
    low_stock_limit: int = 5
    event_days: int = 30
    push_log_days: int = 90
    activity_days: int = 0
    hold_days: int = 30
    hold_archive_days: int = 0
    drop_detached: bool = True
    live_listeners: int = 5000
    live_per_address: int = 100
    webhook_http: bool = False
    webhook_private: bool = False
    refresh_reuse_grace_seconds: int = 10
    log_level: str = "info"
    metrics_token: str = ""
    otel_exporter_otlp_endpoint: str = ""
    otel_service_name: str = "relampago"

    def __repr__(self) -> str:
        """Nearly nothing of the values: whatever shows an object's fields, as a traceback may, would show keys."""
        return f"Settings(app_env={self.app_env!r})"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("app_env", self.app_env)]

    @property
    def zone(self) -> ZoneInfo:
        """The shop's zone, in which its days and weekdays are counted."""
        return ZoneInfo(self.time_zone)

    @property
    def production(self) -> bool:
        return self.app_env == PRODUCTION

    @property
    def asyncpg_dsn(self) -> str:
        """The database for asyncpg and psycopg: `postgresql://...`."""
        return self.database_url

    @property
    def way(self) -> Way:
        return Way(self.database_url, self.database_pooler)

    @property
    def direct_dsn(self) -> str:
        """The database for what needs a session of its own: LISTEN, session-wide locks, the queue."""
        return self.database_direct_url or self.database_url

    @property
    def sqlalchemy_url(self) -> str:
        return with_driver(self.database_url)

    @property
    def sqlalchemy_admin_url(self) -> str:
        return with_driver(self.database_admin_url)


def load_settings(environ: Mapping[str, str] | None = None, env_file: Path | None = None) -> Settings:
    """Read the settings; the environment beats the file. Raises SettingsError with the setting's name."""
    file_values = read_env_file(env_file or Path(".env"))
    values = {**file_values, **(os.environ if environ is None else environ)}
    values = {name: value.strip() for name, value in values.items() if value.strip()}
    app_env = values.get("APP_ENV", DEVELOPMENT)
    if app_env not in (DEVELOPMENT, PRODUCTION):
        raise SettingsError("APP_ENV is either development or production")
    production = app_env == PRODUCTION
    return Settings(
        app_env=app_env,
        auth_basic_enabled=flag(values, "AUTH_BASIC_ENABLED", default=not production),
        drop_detached=flag(values, "DROP_DETACHED", default=True),
        webhook_http=flag(values, "WEBHOOK_HTTP", default=not production),
        webhook_private=flag(values, "WEBHOOK_PRIVATE", default=not production),
        throttles=throttles_of(values, RATES, factor=1 if production else DEVELOPMENT_RATE_FACTOR),
        cors_allowed_origins=origins_of(values, production=production),
        time_zone=zone_name(values.get("TIME_ZONE", "America/Argentina/Buenos_Aires")),
        geoip_database=values.get("GEOIP_DATABASE", ""),
        log_level=values.get("LOG_LEVEL", "info").lower(),
        otel_exporter_otlp_endpoint=values.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").rstrip("/"),
        otel_service_name=values.get("OTEL_SERVICE_NAME", "relampago"),
        **_keys(values, production=production),
        **_addresses(values),
        **_providers(values, production=production),
        **numbers_of(values),
    )


def _keys(values: Mapping[str, str], *, production: bool) -> dict[str, Any]:
    cron_key = values.get("CRONJOB_AUTH_KEY", "" if production else DEMO_CRON_KEY)
    if production and cron_key.lower() in KNOWN_SECRETS:
        raise SettingsError("CRONJOB_AUTH_KEY is an example's value; production needs one of its own")
    previous = "SECRET_KEY_PREVIOUS"
    return {
        "secret_key": secret_of(values, "SECRET_KEY", production=production),
        "secret_key_previous": secret_of(values, previous, production=production) if previous in values else "",
        "cronjob_auth_key": cron_key,
        "metrics_token": values.get("METRICS_TOKEN", ""),
    }


def _addresses(values: Mapping[str, str]) -> dict[str, Any]:
    database_url = database_url_of(values)
    port = whole(values, "PORT", 8000, low=1, high=65535)
    public_url = values.get("PUBLIC_URL", f"http://127.0.0.1:{port}").rstrip("/")
    return {
        "port": port,
        "sandbox_port": whole(values, "SANDBOX_PORT", port + 1, low=1, high=65535),
        "database_url": database_url,
        **database_ways(values, database_url),
        "public_url": public_url,
        "frontend_url": values.get("FRONTEND_URL", public_url).rstrip("/"),
    }


def _providers(values: Mapping[str, str], *, production: bool) -> dict[str, Any]:
    """Where the providers are: unless set, the real ones in production and else the sandbox."""
    port = whole(values, "PORT", 8000, low=1, high=65535)
    sandbox_port = whole(values, "SANDBOX_PORT", port + 1, low=1, high=65535)
    sandbox = f"http://127.0.0.1:{sandbox_port}"
    return {
        **mail_server(values, production=production, sandbox_port=sandbox_port),
        **{
            name.lower(): base_url(values, name, real if production else f"{sandbox}{path}")
            for name, (real, path) in PROVIDERS.items()
        },
        **picture_host(values, production=production),
        "google_sheets_spreadsheet_id": values.get(
            "GOOGLE_SHEETS_SPREADSHEET_ID", "" if production else SANDBOX_SPREADSHEET
        ),
        **mercadopago(values, production=production, sandbox=sandbox),
        "google_service_account_file": values.get(
            "GOOGLE_SERVICE_ACCOUNT_FILE", "" if production else SANDBOX_ACCOUNT.format(port=sandbox_port)
        ),
    }
