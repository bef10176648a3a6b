"""Settings: what is missing or wrong stops the start and is named."""

from pathlib import Path
from typing import Any

import pytest
from rich.pretty import pretty_repr

from app.environment import SettingsError
from app.settings import PRODUCTION, Settings, load_settings

NOTHING = Path("/dev/null")
URL = "postgresql://a:b@localhost:5432/c"
GOOD = {"DATABASE_URL": URL, "SECRET_KEY": "k" * 32}
LIVE = {**GOOD, "APP_ENV": PRODUCTION}


def load(**environ: str) -> Settings:
    return load_settings({**GOOD, **environ}, env_file=NOTHING)


def test_two_settings_are_enough_for_development() -> None:
    found = load()
    assert (found.app_env, found.port, found.sandbox_port) == ("development", 8000, 8001)
    assert found.public_url == found.frontend_url == "http://127.0.0.1:8000"
    assert found.auth_basic_enabled
    assert found.cors_allowed_origins == ("*",)
    assert found.throttles["login"] == "1000/minute"
    assert found.cronjob_auth_key == "demo-cron-key"


def test_what_shows_the_settings_shows_no_value_of_theirs() -> None:
    found = load(METRICS_TOKEN="medidas-0123456789")
    assert repr(found) == f"{found}" == pretty_repr(found) == "Settings(app_env='development')"


def test_production_is_strict_by_default() -> None:
    found = load_settings(LIVE, env_file=NOTHING)
    assert found.production
    assert not found.auth_basic_enabled
    assert found.cors_allowed_origins == ()
    assert found.throttles == {
        "anon": "100/hour", "user": "1000/hour", "register": "5/hour", "login": "10/minute",
        "change_password": "5/hour",
        "profile_update": "30/hour", "product_create": "100/day", "order_create": "50/day",
    }  # fmt: skip
    assert found.cronjob_auth_key == ""


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"SECRET_KEY": "k" * 32}, "DATABASE_URL"),
        ({"DATABASE_URL": URL}, "SECRET_KEY"),
        ({**GOOD, "SECRET_KEY": "k" * 31}, "SECRET_KEY"),
        ({**GOOD, "SECRET_KEY": " "}, "SECRET_KEY"),
        ({**GOOD, "SECRET_KEY_PREVIOUS": "short"}, "SECRET_KEY_PREVIOUS"),
        ({**LIVE, "SECRET_KEY": "changeme" * 5}, "SECRET_KEY"),
        ({**LIVE, "CRONJOB_AUTH_KEY": "demo-cron-key"}, "CRONJOB_AUTH_KEY"),
        ({**GOOD, "APP_ENV": "prod"}, "APP_ENV"),
        ({**GOOD, "PORT": "http"}, "PORT"),
        ({**GOOD, "PORT": "65536"}, "PORT"),
        ({**GOOD, "HOLD_SECONDS": "0"}, "HOLD_SECONDS"),
        ({**GOOD, "HOLD_SECONDS": "\u0661"}, "HOLD_SECONDS"),
        ({**GOOD, "AUTH_BASIC_ENABLED": "maybe"}, "AUTH_BASIC_ENABLED"),
        ({**GOOD, "TIME_ZONE": "Mars/Olympus"}, "TIME_ZONE"),
        ({**GOOD, "TIME_ZONE": "../etc/passwd"}, "TIME_ZONE"),
        ({**GOOD, "THROTTLE_LOGIN": "10 a minute"}, "THROTTLE_LOGIN"),
        ({**GOOD, "THROTTLE_ANON": "0/hour"}, "THROTTLE_ANON"),
        ({"SECRET_KEY": "k" * 32, "POSTGRES_DB": "c", "POSTGRES_PORT": "none"}, "POSTGRES_PORT"),
    ],
)
def test_what_is_wrong_stops_the_start_by_its_name(environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{named}\b"):
        load_settings(environ, env_file=NOTHING)


def test_no_secret_stands_in_the_message() -> None:
    with pytest.raises(SettingsError) as caught:
        load(SECRET_KEY="my-own-little-secret")
    assert "my-own-little-secret" not in str(caught.value)


def test_the_environment_beats_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text(f'# a comment\nexport DATABASE_URL="{URL}"\nSECRET_KEY={"f" * 32}\nPORT = 9000\nnonsense\n')
    found = load_settings({"PORT": "9001"}, env_file=file)
    assert (found.port, found.secret_key, found.database_url) == (9001, "f" * 32, URL)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"DATABASE_URL": "postgres://a@h/d"}, "postgresql://a@h/d"),
        ({"DATABASE_URL": "postgresql+asyncpg://a@h/d"}, "postgresql://a@h/d"),
        ({"POSTGRES_DB": "d"}, "postgresql://postgres:@127.0.0.1:5432/d"),
        (
            {"POSTGRES_DB": "d/x", "POSTGRES_USER": "u@v", "POSTGRES_PASSWORD": "p:/@#", "POSTGRES_HOST": "h"},
            "postgresql://u%40v:p%3A%2F%40%23@h:5432/d%2Fx",
        ),
    ],
)
def test_the_database_in_its_forms(environ: dict[str, str], expected: str) -> None:
    found = load_settings({"SECRET_KEY": "k" * 32, **environ}, env_file=NOTHING)
    assert found.database_url == expected == found.database_admin_url
    assert found.sqlalchemy_url == expected.replace("postgresql:", "postgresql+asyncpg:", 1)


def test_lists_and_switches() -> None:
    found = load(
        CORS_ALLOWED_ORIGINS=" https://a.example , https://b.example,", AUTH_BASIC_ENABLED="off", THROTTLE_USER="off"
    )
    assert found.cors_allowed_origins == ("https://a.example", "https://b.example")
    assert not found.auth_basic_enabled
    assert found.throttles["user"] == "off"


def test_settings_do_not_change() -> None:
    found: Any = load()
    with pytest.raises(AttributeError):
        found.port = 1


def test_a_pooler_needs_a_way_past_it() -> None:
    pooled = {**GOOD, "DATABASE_POOLER": "transaction"}
    with pytest.raises(SettingsError, match="DATABASE_DIRECT_URL"):
        load_settings(pooled, env_file=NOTHING)
    direct = "postgresql://a@direct/b"
    loaded = load_settings(pooled | {"DATABASE_DIRECT_URL": direct}, env_file=NOTHING)
    assert (loaded.direct_dsn, loaded.way.pooler, loaded.database_admin_url) == (direct, "transaction", direct)
    with pytest.raises(SettingsError, match="none, transaction, transaction-unprepared"):
        load_settings(GOOD | {"DATABASE_POOLER": "session"}, env_file=NOTHING)
    plain = load_settings(GOOD, env_file=NOTHING)
    assert (plain.direct_dsn, plain.way.pooler, plain.database_read_url) == (plain.database_url, "none", "")


@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_DIRECT_URL", "DATABASE_ADMIN_URL", "DATABASE_READ_URL"])
@pytest.mark.parametrize(
    "address",
    [
        "postgresql://app:un@escaped:5432@db/shop", "postgresql://app:un/escaped@db/shop",
        "postgresql://app:un?escaped@db:5432/shop", "postgresql://app:un#escaped@db/shop",
        "postgresql://app:unescaped@db:port/shop", "postgresql://app:unescaped@db:5432:5433/shop",
        "mysql://app:unescaped@db/shop", "app:unescaped@db/shop",
    ],
)  # fmt: skip
def test_an_address_that_would_be_taken_apart_wrongly_is_named_and_not_shown(name: str, address: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(**{name: address})
    assert str(refused.value).startswith(f"{name} is not like postgresql://")
    assert "escaped" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("postgres://a:b@h/c", "postgresql://a:b@h/c"),
        (
            "postgresql+asyncpg://a:p%40ss%3A%2F@h:5432/c?ssl=require",
            "postgresql://a:p%40ss%3A%2F@h:5432/c?ssl=require",
        ),
        ("postgresql://a@[::1]:5432/c", "postgresql://a@[::1]:5432/c"),
        ("postgresql:///c?host=/run/postgresql", "postgresql:///c?host=/run/postgresql"),
        ("postgresql://a:b@h1:5432,h2:5433/c", "postgresql://a:b@h1:5432,h2:5433/c"),
    ],
)
def test_addresses_in_each_of_their_forms(address: str, plain: str) -> None:
    assert load(DATABASE_DIRECT_URL=address).direct_dsn == plain
