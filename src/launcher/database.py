"""Which database the application, the migrations and the tests use."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from launcher.cluster import APP, OWNER, Cluster, development, testing
from launcher.console import say
from launcher.project import external_database_url, secret, setting


@dataclass(frozen=True)
class Database:
    """The address for the application, the one for migrations, and the cluster if it is ours."""

    url: str
    admin_url: str
    cluster: Cluster | None = None

    def release(self) -> None:
        if self.cluster:
            self.cluster.release()


def open_database(*, keep: bool = False) -> Database:
    """The database of the settings, else the private cluster, started."""
    url = external_database_url()
    if url and not is_ours(url):
        say(f"using the database of the settings at {urlsplit(url).hostname}")
        return Database(url, setting("DATABASE_ADMIN_URL", url))
    cluster = development()
    cluster.start(keep=keep)
    return Database(
        url=cluster.url(APP, secret("dev_app_password")),
        admin_url=cluster.url(OWNER, secret("dev_owner_password")),
        cluster=cluster,
    )


def open_test_database(*, keep: bool = False) -> Database:
    """A role that may create databases: the one TEST_DATABASE_URL names, else the test cluster's."""
    named = setting("TEST_DATABASE_URL")
    if named and not is_ours(named):
        return Database(named, named)
    cluster = testing()
    cluster.start(keep=keep)
    url = cluster.url(cluster.owner, secret("test_owner_password"))
    return Database(url, url, cluster)


def is_ours(url: str) -> bool:
    """Whether an address is that of a private cluster, as `make up` wrote it to `.env` or a shell exported it."""
    password = urlsplit(url).password
    return password in {secret("dev_app_password"), secret("dev_owner_password"), secret("test_owner_password")}
