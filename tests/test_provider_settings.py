"""Where the providers are: the sandbox in development, the real ones in production, never in clear elsewhere."""

from pathlib import Path

import pytest

from app.environment import SettingsError, is_protected
from app.settings import Settings, load_settings

NOTHING = Path("/dev/null")
GOOD = {"DATABASE_URL": "postgresql://a:b@localhost:5432/c", "SECRET_KEY": "k" * 32}


def load(**environ: str) -> Settings:
    return load_settings({**GOOD, **environ}, env_file=NOTHING)


def test_development_talks_to_the_sandbox() -> None:
    found = load()
    assert found.fcm_base_url == "http://127.0.0.1:8001/fcm"
    assert found.google_service_account_file == "var/sandbox/service-account-8001.json"
    assert load(PORT="9000").fcm_base_url == "http://127.0.0.1:9001/fcm"
    assert load(SANDBOX_PORT="9500").google_service_account_file == "var/sandbox/service-account-9500.json"
    assert load(PORT="9000", SANDBOX_PORT="9500").fcm_base_url == "http://127.0.0.1:9500/fcm"


def test_production_talks_to_the_real_hosts_and_has_no_account_by_itself() -> None:
    found = load(APP_ENV="production")
    assert found.fcm_base_url == "https://fcm.googleapis.com"
    assert found.google_service_account_file == ""


def test_both_can_be_set() -> None:
    found = load(FCM_BASE_URL="https://fcm.example.com/", GOOGLE_SERVICE_ACCOUNT_FILE="keys/google.json")
    assert found.fcm_base_url == "https://fcm.example.com"
    assert found.google_service_account_file == "keys/google.json"


@pytest.mark.parametrize("url", ["http://fcm.example.com", "fcm.googleapis.com", "ftp://127.0.0.1", "http://", "x"])
def test_an_address_in_clear_stops_the_start_by_its_name(url: str) -> None:
    with pytest.raises(SettingsError, match="FCM_BASE_URL"):
        load(FCM_BASE_URL=url)


@pytest.mark.parametrize(
    ("url", "protected"),
    [
        ("https://fcm.googleapis.com", True),
        ("http://127.0.0.1:8001/fcm", True),
        ("http://127.8.9.1", True),
        ("http://localhost:8001", True),
        ("http://[::1]:8001", True),
        ("HTTPS://fcm.googleapis.com", True),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost.example.com", False),
        ("http://127.0.0.1@example.com", False),
        ("http://10.0.0.1", False),
        ("http://0.0.0.0", False),
        ("http://[::1", False),
        ("https://", False),
        ("", False),
    ],
)
def test_protected_addresses(url: str, protected: bool) -> None:
    assert is_protected(url) is protected


def test_pictures_are_files_unless_said_otherwise() -> None:
    found = load()
    assert (found.media_backend, found.media_root) == ("local", "var/media")
    assert found.cloudinary_upload_prefix == "http://127.0.0.1:8001/cloudinary"
    assert load(MEDIA_BACKEND="cloudinary").cloudinary_url.endswith("@demo")
    live = load(APP_ENV="production")
    assert (live.cloudinary_url, live.cloudinary_upload_prefix) == ("", "https://api.cloudinary.com")


def test_cloudinarys_address_may_carry_its_host() -> None:
    url = "cloudinary://key:s3cret@shop?upload_prefix=https://images.example.com/"
    found = load(APP_ENV="production", MEDIA_BACKEND="cloudinary", CLOUDINARY_URL=url)
    assert (found.media_backend, found.cloudinary_url) == ("cloudinary", url)
    assert found.cloudinary_upload_prefix == "https://images.example.com"
    both = load(CLOUDINARY_URL=url, CLOUDINARY_UPLOAD_PREFIX="https://other.example.com")
    assert both.cloudinary_upload_prefix == "https://other.example.com"


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"MEDIA_BACKEND": "s3"}, "MEDIA_BACKEND"),
        ({"MEDIA_BACKEND": "cloudinary", "APP_ENV": "production"}, "CLOUDINARY_URL"),
        ({"CLOUDINARY_URL": "https://key:secret@cloud"}, "CLOUDINARY_URL"),
        ({"CLOUDINARY_URL": "cloudinary://key:secret@cloud?upload_prefix=http://images.example.com"}, "CLOUDINARY_URL"),
        ({"CLOUDINARY_UPLOAD_PREFIX": "http://images.example.com"}, "CLOUDINARY_UPLOAD_PREFIX"),
    ],
)
def test_a_wrong_picture_host_stops_the_start(environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load(**environ)


PAYMENT_KEYS = ("MERCADOPAGO_ACCESS_TOKEN", "MERCADOPAGO_WEBHOOK_SECRET", "MERCADOPAGO_COLLECTOR_ID")


def test_payments_are_the_sandboxs_in_development() -> None:
    found = load(SANDBOX_PORT="9500")
    assert found.mercadopago_base_url == "http://127.0.0.1:9500/mercadopago"
    assert found.mercadopago_access_token == "TEST-sandbox-token"
    assert found.mercadopago_webhook_secret == "sandbox-webhook-secret-0123456789abcdef"
    assert found.mercadopago_collector_id == "90076076"


def test_production_pays_nobody_until_it_is_told_whom() -> None:
    found = load(APP_ENV="production")
    assert found.mercadopago_base_url == "https://api.mercadopago.com"
    assert {getattr(found, name.lower()) for name in PAYMENT_KEYS} == {""}
    for name in PAYMENT_KEYS:
        assert getattr(load(APP_ENV="production", **{name: "own"}), name.lower()) == "own"


@pytest.mark.parametrize("name", PAYMENT_KEYS)
def test_production_refuses_the_sandboxs_keys(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load(APP_ENV="production", **{name: getattr(load(), name.lower())})
