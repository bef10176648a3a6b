"""Which mail server: the sandbox's in development, none in production unless set, no password in clear elsewhere."""

from pathlib import Path

import pytest

from app.clients.smtp import is_configured
from app.environment import SettingsError
from app.settings import Settings, load_settings

NOTHING = Path("/dev/null")
GOOD = {"DATABASE_URL": "postgresql://a:b@localhost:5432/c", "SECRET_KEY": "k" * 32}
LIVE = {"APP_ENV": "production", "SMTP_HOST": "smtp.example.com", "MAIL_FROM": "shop@example.com"}


def load(**environ: str) -> Settings:
    return load_settings({**GOOD, **environ}, env_file=NOTHING)


def server_of(found: Settings) -> tuple[str, int, str]:
    return found.smtp_host, found.smtp_port, found.smtp_tls_mode


def test_development_sends_to_the_sandbox() -> None:
    assert server_of(load()) == ("127.0.0.1", 8002, "none")
    assert server_of(load(PORT="9000")) == ("127.0.0.1", 9002, "none")
    assert server_of(load(SANDBOX_PORT="9500")) == ("127.0.0.1", 9501, "none")
    assert server_of(load(SMTP_PORT="2525")) == ("127.0.0.1", 2525, "none")
    assert load().mail_from == "Relámpago <no-reply@relampago.example>"
    assert is_configured(load())


def test_production_has_no_server_by_itself() -> None:
    assert not is_configured(load(APP_ENV="production"))


def test_production_speaks_tls_by_itself() -> None:
    found = load(**LIVE, SMTP_USERNAME="shop", SMTP_PASSWORD="p")
    assert server_of(found) == ("smtp.example.com", 587, "starttls")
    assert (found.smtp_username, found.smtp_password, found.mail_from) == ("shop", "p", "shop@example.com")
    assert is_configured(found)
    assert server_of(load(**LIVE, SMTP_TLS_MODE="implicit")) == ("smtp.example.com", 465, "implicit")
    assert server_of(load(**LIVE, SMTP_TLS_MODE="none")) == ("smtp.example.com", 25, "none")


def test_a_password_goes_in_clear_to_this_machine_alone() -> None:
    assert load(SMTP_HOST="localhost", SMTP_PASSWORD="p").smtp_password == "p"
    with pytest.raises(SettingsError, match=r"^SMTP_TLS_MODE\b"):
        load(SMTP_HOST="smtp.example.com", SMTP_PASSWORD="p")
    assert load(SMTP_HOST="smtp.example.com", SMTP_PASSWORD="p", SMTP_TLS_MODE="starttls").smtp_port == 587


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"SMTP_TLS_MODE": "tls"}, "SMTP_TLS_MODE"),
        ({"SMTP_PORT": "0"}, "SMTP_PORT"),
        ({**LIVE, "MAIL_FROM": ""}, "MAIL_FROM"),
        ({"MAIL_FROM": "Tienda"}, "MAIL_FROM"),
        ({"MAIL_FROM": "Tienda <a@b.example>\nBcc: c@d.example"}, "MAIL_FROM"),
        ({"MAIL_FROM": "a@b.example, c@d.example"}, "MAIL_FROM"),
        ({"MAIL_FROM": "Tienda <ñandú@b.example>"}, "MAIL_FROM"),
    ],
)
def test_what_is_wrong_stops_the_start_by_its_name(environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{named}\b"):
        load(**environ)
