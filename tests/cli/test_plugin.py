"""The command line knows its commands without their modules, and the application without its handlers."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from app.cli.plugin import ALIASES, COMMANDS, Announced, CommandLine, written

# What a program has loaded is written behind its own output.
TOLD = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules))))
"""
LITESTAR = f"{TOLD}\nfrom litestar.__main__ import run_cli\nsys.argv[0] = 'litestar'\nrun_cli()"
RELAMPAGO = f"{TOLD}\nfrom app.__main__ import main\nmain()"


def run(program: str, *words: str, folder: Path, **environ: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """A program by itself, without settings but those that are given, and the names of the modules it loaded."""
    # A wide terminal, so that no line of the help is broken.
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "200", **environ}
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done, set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(("module", "name", "text"), COMMANDS, ids=[name for _, name, _ in COMMANDS])
def test_each_command_is_what_is_said_of_it(module: str, name: str, text: str) -> None:
    command = getattr(import_module(module), written(name))
    assert isinstance(command, click.Command)
    assert (command.name, command.help) == (name, text)
    assert tuple(getattr(command, "aliases", ())) == ALIASES.get(name, ())


def test_every_module_with_a_group_is_announced() -> None:
    folder = Path(__file__).resolve().parents[2] / "src/app/cli"
    with_groups = {
        "app.cli." + ".".join(path.relative_to(folder).with_suffix("").parts)
        for path in folder.rglob("*.py")
        if "@click.group(" in path.read_text() or "@group(" in path.read_text()
    }
    announced = {module for module, _, _ in COMMANDS}
    assert announced - {"app.cli.doctor.commands"} == with_groups


@pytest.mark.parametrize("program", [LITESTAR, RELAMPAGO], ids=["litestar", "relampago"])
def test_the_help_loads_no_domain_and_needs_no_settings(program: str, tmp_path: Path) -> None:
    done, modules = run(program, "--help", folder=tmp_path, LITESTAR_APP="app.server:create_app")
    assert done.returncode == 0, done.stderr
    for _, name, text in COMMANDS:
        assert any(line.startswith(f"│ {name} ") and text in line for line in done.stdout.splitlines()), name
    assert [name for name in modules if name.startswith(("app.domain.", "app.wiring", "app.clients", "alembic"))] == []


def test_a_command_loads_its_own_module_alone(tmp_path: Path) -> None:
    done, modules = run(RELAMPAGO, "rates", "--help", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Exchange rates." in done.stdout
    assert "app.cli.rates" in modules
    assert modules & {"app.wiring", "app.cli.users", "app.cli.demo.commands", "app.cli.database"} == set()


def test_what_needs_the_application_gets_it_whole(tmp_path: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/none"
    done, modules = run(RELAMPAGO, "routes", folder=tmp_path, DATABASE_URL=url, SECRET_KEY="s" * 32)
    assert done.returncode == 0, done.stderr
    assert "/livez" in done.stdout
    assert "app.wiring" in modules


@pytest.mark.parametrize("words", [("routes",), ("run", "--port", "1")])
def test_what_needs_the_application_needs_its_settings(words: tuple[str, ...], tmp_path: Path) -> None:
    done, _ = run(RELAMPAGO, *words, folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("SECRET_KEY is not set")


@pytest.mark.parametrize("name", ["database", "db"])
def test_the_databases_commands_have_two_names(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The tests' own process goes on to log where it did.
    monkeypatch.setattr("app.cli.plugin._log_beside_the_output", lambda: None)

    @click.group()
    def cli() -> None: ...

    CommandLine().on_cli_init(cli)
    answer = CliRunner().invoke(cli, [name, "--help"])
    assert answer.exit_code == 0, answer.output
    assert "show-current-revision" in answer.output
    assert not isinstance(cli.commands["database"], Announced)


@pytest.mark.parametrize(("level", "lines"), [({}, 1), ({"LOG_LEVEL": "error"}, 0)], ids=["info", "error"])
def test_what_a_command_logs_stands_beside_its_output(level: dict[str, str], lines: int, tmp_path: Path) -> None:
    logs = "import atexit, structlog\natexit.register(lambda: structlog.get_logger('x').info('over', token='t'))\n"
    done, _ = run(logs + RELAMPAGO, "jobs", "list", folder=tmp_path, **level)
    assert len(done.stdout.splitlines()) == 1  # the modules' names
    logged = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [(line["event"], line["token"], line["level"]) for line in logged] == [("over", "***", "info")] * lines
    assert "SECRET_KEY is not set" in done.stderr
