"""`make up`: everything, in the foreground."""

import fcntl
import http.client
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import IO

from launcher import bootstrap, env_file, programs, schema
from launcher.console import Failure, child_environment, say
from launcher.database import Database, open_database
from launcher.programs import Program
from launcher.project import ROOT, VENV_PYTHON, lock_file, production
from launcher.supervisor import Supervisor

READY_SECONDS = 120
LOOK_AT_DATABASE_SECONDS = 2.0


def up() -> int:
    begun = time.monotonic()
    bootstrap.ensure()
    with claim_ports(programs.needed_ports()):
        database = open_database()
        try:
            environment = programs.environment(database) | programs.metrics()
            env_file.write(programs.generated_settings(environment, database))
            schema.migrate_if_needed(database, environment)
            if not production():
                schema.load_demo_once(database, environment)
            run(programs.everything(), environment, database, Announcement(environment, begun))
        finally:
            database.release()
    say("stopped")
    return 0


def run(
    chosen: list[Program], environment: Mapping[str, str], database: Database, announcement: "Announcement"
) -> None:
    keeper = DatabaseKeeper(database)

    def on_tick() -> None:
        announcement.look()
        keeper.look()

    announcement.begin()
    Supervisor(environment, on_tick).run(chosen)


class Announcement:
    """Waits for the API to be ready, without holding up the others, and then prints where everything is."""

    def __init__(self, environment: Mapping[str, str], begun: float) -> None:
        self._port, self._environment, self._begun = programs.api_port(), environment, begun
        # The API's time begins with its start: packages and migrations may take as long as they do.
        self._started = begun
        self._text: subprocess.Popen[str] | None = None
        self._ready_after = 0.0
        self._done = False

    def begin(self) -> None:
        """Have the text made while the API starts: both take a second to import the application."""
        self._started = time.monotonic()
        if production():
            return
        command = [str(VENV_PYTHON), "-m", "app", "demo", "show", "--base-url", f"http://127.0.0.1:{self._port}"]
        self._text = subprocess.Popen(
            command,
            cwd=ROOT,
            env=child_environment(self._environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def look(self) -> None:
        if self._done:
            return
        now = time.monotonic()
        if not self._ready_after and is_ready(self._port):
            self._ready_after = now - self._begun
        if self._ready_after and (self._text is None or self._text.poll() is not None):
            self._print()
        elif not self._ready_after and now - self._started > READY_SECONDS:
            address = f"http://127.0.0.1:{self._port}/readyz"
            raise Failure(f"the API was not ready after {READY_SECONDS} s; `curl {address}` says why")

    def _print(self) -> None:
        self._done = True
        text = self._text.communicate()[0].strip() if self._text else ""
        print(f"\n{text or f'API http://127.0.0.1:{self._port}'}\n", flush=True)
        say(f"ready after {self._ready_after:.1f} s. Ctrl-C stops everything.")


class DatabaseKeeper:
    """Starts the private cluster again if it was killed; the API and the worker come back by themselves."""

    def __init__(self, database: Database) -> None:
        self._cluster = database.cluster
        self._next = time.monotonic() + LOOK_AT_DATABASE_SECONDS

    def look(self) -> None:
        if self._cluster is None or time.monotonic() < self._next:
            return
        if self._cluster.running is None:
            say("the database is not running any more")
            self._cluster.start()
        self._next = time.monotonic() + LOOK_AT_DATABASE_SECONDS


def is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def claim_ports(wanted: Mapping[str, int]) -> IO[str]:
    """Fail early, by the setting's name, when a port is taken. The claim holds until the file is closed."""
    api_port = wanted["PORT"]
    with ExitStack() as on_failure:
        claim = on_failure.enter_context(lock_file(f"port-{api_port}"))
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(
                f"this project already runs on port {api_port}; a second one beside it: `PORT={api_port + 10} make up`"
            ) from None
        for name, port in wanted.items():
            _check_free(name, port)
        on_failure.pop_all()
    return claim


def _check_free(name: str, port: int) -> None:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except PermissionError:
        raise Failure(f"this account may not listen on port {port}; set {name} to one from 1024 up") from None
    except OverflowError:
        raise Failure(f"{name} would be {port}, and ports end at 65535; set {name}") from None
    except OSError:
        raise Failure(
            f"port {port} is taken by another program; set {name} to a free one, as in `{name}={port + 10} make up`"
        ) from None
