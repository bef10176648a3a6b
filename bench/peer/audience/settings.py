"""The peer's settings with GeoDjango's backend."""

from bench.peer.settings import *  # noqa: F403
from bench.peer.settings import DATABASES

INSTALLED_APPS = ["bench.peer.audience"]
DATABASES["default"]["ENGINE"] = "django.contrib.gis.db.backends.postgis"
