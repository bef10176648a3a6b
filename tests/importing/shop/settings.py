"""A Django project with the apps of the shops that are moved in from."""

import os
from urllib.parse import urlsplit

from tests.importing.shop.facts import APPS

_url = urlsplit(os.environ["SHOP_DATABASE_URL"])
SECRET_KEY = "only-for-tests"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    *(f"tests.importing.shop.{app}" for app in APPS),
]
AUTH_USER_MODEL = "users.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
MIGRATION_MODULES = {app: f"shop_migrations.{app}" for app in APPS}
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _url.path[1:],
        "USER": _url.username or "",
        "PASSWORD": _url.password or "",
        "HOST": _url.hostname or "",
        "PORT": _url.port or "",
    }
}
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.MD5PasswordHasher",
]
