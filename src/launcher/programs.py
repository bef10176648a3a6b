"""The processes of Relámpago, and the environment they run in."""

from collections.abc import Mapping
from dataclasses import dataclass

from launcher.database import Database
from launcher.project import APP_FACTORY, ROOT, VAR, VENV_PYTHON, port_setting, production, secret, setting


@dataclass(frozen=True)
class Program:
    """One process: if it is essential, its end is everybody's; otherwise it is started again."""

    name: str
    command: tuple[str, ...]
    essential: bool = False


def api_port() -> int:
    return port_setting("PORT", 8000)


def needed_ports() -> dict[str, int]:
    """Every port that `everything` listens on, by the setting that moves it."""
    wanted = {"PORT": api_port()}
    if _has_sandbox():
        sandbox_port = port_setting("SANDBOX_PORT", api_port() + 1)
        wanted |= {"SANDBOX_PORT": sandbox_port, "SMTP_PORT": port_setting("SMTP_PORT", sandbox_port + 1)}
    return wanted


def environment(database: Database) -> dict[str, str]:
    """What the application needs beyond the settings it reads by itself. The owner's address is not among it."""
    chosen = {
        "LITESTAR_APP": setting("LITESTAR_APP", APP_FACTORY),
        "DATABASE_URL": database.url,
        "DATABASE_ADMIN_URL": "",
        "PYTHONUNBUFFERED": "1",
    }
    if not production():
        chosen["SECRET_KEY"] = setting("SECRET_KEY") or secret("secret_key", 32)
    return chosen


def metrics() -> dict[str, str]:
    """An empty folder in which all processes of this start count, for `/metrics` to answer for all of them."""
    folder = VAR / "metrics" / str(api_port())
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.db"):
        old.unlink(missing_ok=True)
    return {"PROMETHEUS_MULTIPROC_DIR": str(folder)}


def generated_settings(environment: Mapping[str, str], database: Database) -> dict[str, str]:
    """What the command line cannot know without `.env`. Another's database stays where its settings are."""
    ours = {"DATABASE_URL": database.url} if database.cluster else {}
    key = {"SECRET_KEY": environment["SECRET_KEY"]} if "SECRET_KEY" in environment and not setting("SECRET_KEY") else {}
    return ours | key


def api() -> Program:
    command = (str(VENV_PYTHON), "-m", *api_command(api_port()), "--workers", setting("WEB_WORKERS", "1"))
    return Program("api", command, essential=True)


def api_command(port: int) -> tuple[str, ...]:
    """How an API process is run on a port of this machine: a module of Python and its arguments."""
    return "app.serving", "--host", "127.0.0.1", "--port", str(port)


def worker() -> Program:
    return Program("worker", (str(VENV_PYTHON), "-m", "app", "jobs", "worker"))


def sandbox() -> Program:
    return Program("sandbox", (str(VENV_PYTHON), "-m", "sandbox"))


def everything() -> list[Program]:
    """What `make up` runs. Production talks to the real providers."""
    return [api(), worker(), *([sandbox()] if _has_sandbox() else [])]


def _has_sandbox() -> bool:
    return (ROOT / "src" / "sandbox" / "__main__.py").is_file() and not production()
