"""How long the API takes to its first answer, and `litestar --help`, beside the bare import of the same libraries.

The libraries are those modules of others that the program has loaded, imported in its order by a bare interpreter. All
is compiled to bytecode before.
"""

import compileall
import json
import os
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.context import Bench
from bench.plan import ROOT
from bench.programs import free_port
from bench.rows import Row, row, shares

PART = "start"
MOST_API, MOST_HELP = 1.6, 1.3
APP = "app.server:create_app"
WAIT_SECONDS, STOP_SECONDS = 30, 15
LIBRARIES = sysconfig.get_paths()["purelib"]
# Writes the names of other people's modules that were loaded, in their order, to the file that is named first.
TELL = f"""
import json, sys
def others(path):
    names = [name for name, module in sys.modules.items()
             if (getattr(getattr(module, "__spec__", None), "origin", None) or "").startswith({LIBRARIES!r})]
    json.dump(names, open(path, "w"))
"""
SERVER = f"""{TELL}
import uvicorn.main, uvicorn.logging, uvicorn.lifespan.on, uvicorn.protocols.http.auto, uvicorn.loops.auto
import app.server
app.server.create_app()
others(sys.argv[1])
"""
HELP = f"""{TELL}
path, sys.argv = sys.argv[1], ["litestar", "--help"]
from litestar.__main__ import run_cli
try:
    run_cli()
except SystemExit:
    others(path)
"""
# A module that cannot be imported by itself is left out: it costs the bare import less.
KEEP = """
import importlib, json, sys
good = []
for name in json.load(open(sys.argv[1])):
    try:
        importlib.import_module(name)
        good.append(name)
    except Exception:
        continue
json.dump(good, open(sys.argv[1], "w"))
"""
BARE = "import sys\n{imports}\nsys.stdout.write('ready')\nsys.stdout.flush()\n"


def measure(bench: Bench) -> list[Row]:
    """Rows of the result, in pairs of starts."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "DATABASE_URL": bench.database(),
        "DATABASE_ADMIN_URL": "",
        "SECRET_KEY": bench.secret,
        "LITESTAR_APP": APP,
        "PUBLIC_URL": "http://127.0.0.1",
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    for folder in (str(ROOT / "src"), LIBRARIES):
        compileall.compile_dir(folder, quiet=2, workers=0)
    api, command = bare(SERVER, environment), bare(HELP, environment)
    print(f"the API loads {api[1]:,} modules of others, `litestar --help` {command[1]:,}", flush=True)
    help_words = [str(Path(sys.executable).with_name("litestar")), "--help"]
    rounds = bench.mode.rounds
    pairs = {
        "API": _pairs(lambda: answers(environment), lambda: _ready(api[0], environment), rounds),
        "help": _pairs(lambda: _ended(help_words, environment), lambda: _ended(command[0], environment), rounds),
    }
    said = {
        "API": ("cold start of the API", "s to the first answer, beside the libraries' bare import", MOST_API),
        "help": ("litestar --help", "s, beside the libraries' bare import", MOST_HELP),
    }
    return [
        row(PART, said[name][0], said[name][1], ours, limit=other, ratios=shares(ours, other), most=said[name][2])
        for name, (ours, other) in pairs.items()
    ]


def bare(program: str, environment: dict[str, str]) -> tuple[list[str], int]:
    """The command of a bare interpreter that imports what the program has imported of others, and how much that is."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        for text in (program, KEEP):
            command = [sys.executable, "-c", text, file.name]
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise SystemExit(f"the libraries could not be found out:\n{done.stderr[-2000:]}")
        names: list[str] = json.loads(Path(file.name).read_text())
    imports = "\n".join(f"import {name}" for name in names if all(part.isidentifier() for part in name.split(".")))
    return [sys.executable, "-c", BARE.format(imports=imports)], len(names)


def _pairs(ours: Callable[[], float], other: Callable[[], float], rounds: int) -> tuple[list[float], list[float]]:
    """In turn; a first turn that does not count has everything in memory."""
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for of, take in zip(found, (ours, other), strict=True):
            seconds = take()
            if number:
                of.append(seconds)
        if number:
            print(f"{number:2} {found[0][-1]:.2f} s beside {found[1][-1]:.2f} s", flush=True)
    return found


def answers(environment: dict[str, str]) -> float:
    """Seconds from the start of one server process to its first answer."""
    port = free_port()
    words = [sys.executable, "-m", "uvicorn", APP, "--factory", "--host", "127.0.0.1", "--port", str(port)]
    begun = time.perf_counter()
    with subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as it:
        try:
            while time.perf_counter() - begun < WAIT_SECONDS and it.poll() is None:
                if _answers(port):
                    return time.perf_counter() - begun
                time.sleep(0.002)
            raise SystemExit("the API did not start")
        finally:
            it.terminate()
            it.wait(STOP_SECONDS)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
            line.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            return line.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def _ready(command: Sequence[str], environment: dict[str, str]) -> float:
    """Seconds until the program says that it is ready."""
    begun = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
        said = process.stdout.read(5) if process.stdout else b""
        seconds = time.perf_counter() - begun
    if said != b"ready":
        raise SystemExit("the libraries could not be imported alone")
    return seconds


def _ended(command: Sequence[str], environment: dict[str, str]) -> float:
    """Seconds until the program has ended well."""
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {done.returncode}")
    return time.perf_counter() - begun
