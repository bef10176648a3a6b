"""The peer's settings for its tasks."""

from bench.peer.audience.settings import *  # noqa: F403

INSTALLED_APPS = ["bench.peer.audience", "bench.peer.fanout"]
# Celery checks the addresses of a site; tasks have none.
ROOT_URLCONF = ""
