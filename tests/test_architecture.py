"""The rules of the tree, each as a test that names the offending lines. None of them needs a database."""

import ast
import re
from collections.abc import Iterator

import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from app.http import guards
from app.server import Relampago, create_app
from app.settings import Settings
from tests.sources import NOT_OURS, ROOT, Source, files, sources

BASE = (
    "app.environment", "app.settings", "app.errors", "app.logs", "app.metrics", "app.tracing", "app.http", "app.db",
    "app.jobs.queue", "app.jobs.retries",
)  # fmt: skip
DOMAINS = [
    "activity", "events", "accounts", "devices", "rates", "site", "inventory", "catalog", "stores", "pricing",
    "marketing", "storefront", "carts", "orders", "customers", "payments", "promos",
]  # fmt: skip
LEAVES = ("email", "notifications", "analytics", "visitors", "sheets", "cron", "webhooks", "moving")
LINE = [
    *[BASE],
    ("app.clients",),
    *[(f"app.domain.{name}",) for name in DOMAINS],
    *[(f"app.domain.{name}",) for name in LEAVES],
    ("app.registry",),
    ("app.jobs",),
    ("app.cli",),
    ("app.server",),
    ("app.wiring",),
    ("app.serving", "app.__main__"),
]
DOMAIN_MODULES = {"controllers", "schemas", "service", "queries", "rules", "models", "states", "tokens"}
TREE = {
    ".ci", ".dockerignore", ".env.example", ".gitignore", "CONTRIBUTING.md", "Containerfile", "LICENSE", "Makefile",
    "README.md", "SECURITY.md", "alembic", "alembic.ini", "bench", "compose.yaml", "docs", "pyproject.toml",
    "requirements-dev.lock", "requirements.lock", "src", "tests",
}  # fmt: skip
DECORATORS = {"get", "post", "put", "patch", "delete", "route", "head"}


@pytest.fixture(scope="module")
def application() -> Relampago:
    """The application as it is wired; nothing connects."""
    url = "postgresql://nobody@127.0.0.1:1/none"
    return create_app(Settings(database_url=url, database_admin_url=url, secret_key="s" * 32, log_level="critical"))


def place_of(module: str) -> int:
    """How far down the import line a module stands; the longest name that fits decides."""
    found = [(len(name), rank) for rank, group in enumerate(LINE) for name in group if _within(module, name)]
    return max(found)[1] if found else -1


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _domain(module: str) -> str:
    return ".".join(module.split(".")[:3]) if module.startswith("app.domain.") else ""


def test_imports_go_up_the_line() -> None:
    offences = [
        f"{source.at(line)} imports {name}"
        for source in sources("src/app")
        for line, name in source.imports()
        if _within(name, "app") and place_of(name) > place_of(source.module) >= 0
    ]
    assert offences == []


def test_every_module_stands_in_the_line() -> None:
    passive = {"app", "app.domain"}
    lost = [
        source.name for source in sources("src/app") if place_of(source.module) < 0 and source.module not in passive
    ]
    assert lost == []


def test_leaves_are_reached_by_jobs_and_routes_alone() -> None:
    leaves = {f"app.domain.{name}" for name in LEAVES}
    offences = [
        f"{source.at(line)} imports {name}"
        for source in sources("src/app/domain")
        for line, name in source.imports()
        if _domain(name) in leaves and _domain(name) != _domain(source.module)
    ]
    assert offences == []


def test_every_domain_stands_in_the_line() -> None:
    found = {path.name for path in (ROOT / "src/app/domain").iterdir() if path.is_dir() and path.name not in NOT_OURS}
    assert found <= {*DOMAINS, *LEAVES}


def test_a_domains_modules_bear_the_same_names() -> None:
    offences = []
    for source in sources("src/app/domain"):
        parts = source.module.split(".")
        if len(parts) > 3 and parts[2] != "pricing" and parts[3] not in DOMAIN_MODULES:
            offences.append(source.name)
    assert offences == []


def _is_a(source: Source, *kinds: str) -> bool:
    """Whether a module is, or lies in a package that is, one of a domain's kinds: `rules.py`, `rules/names.py`."""
    return any(part in kinds for part in source.module.split(".")[3:])


def _reaches(source: Source, forbidden: tuple[str, ...]) -> Iterator[str]:
    for line, name in source.imports():
        if any(_within(name, each) for each in forbidden):
            yield f"{source.at(line)} imports {name}"


IO = [
    "litestar", "sqlalchemy", "asyncpg", "psycopg", "procrastinate", "httpx", "geoalchemy2", "advanced_alchemy",
    "alembic", "uvicorn", "socket", "ssl", "subprocess", "asyncio", "threading", "app.db", "app.jobs", "app.clients",
    "app.http.guards", "app.http.pagination", "app.http.answers",
]  # fmt: skip


def test_pure_modules_do_no_io() -> None:
    offences = []
    for source in sources("src/app/domain"):
        if _is_a(source, "rules", "states", "tokens") or ".pricing" in source.module:
            offences += list(_reaches(source, tuple(IO)))
            offences += [
                f"{source.at(line)} imports {name}"
                for line, name in source.imports()
                if re.search(r"\.(service|queries|models|controllers)\b", name)
            ]
    assert offences == []


def test_pure_modules_are_told_the_time() -> None:
    offences = [
        source.at(node.lineno)
        for source in sources("src/app/domain")
        if _is_a(source, "rules", "states") or ".pricing" in source.module
        for node in source.nodes
        if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today", "monotonic", "time"}
        if isinstance(node.value, ast.Name | ast.Attribute) and _last_name(node.value) in {"datetime", "date", "time"}
    ]
    assert offences == []


PROVIDERS = [
    "httpx", "requests", "aiohttp", "urllib.request", "smtplib", "aiosmtplib", "mercadopago", "firebase_admin",
    "google", "cloudinary",
]  # fmt: skip


def test_services_know_no_http_and_no_provider() -> None:
    offences = []
    for source in sources("src/app/domain"):
        if _is_a(source, "service", "rules", "queries", "models", "states", "tokens"):
            offences += list(_reaches(source, ("litestar", *PROVIDERS)))
    assert offences == []


def test_queries_and_services_do_not_end_the_transaction() -> None:
    """One request or job is one transaction: the middleware or the job's runner ends it."""
    offences = [
        source.at(node.lineno)
        for source in sources("src/app/domain")
        for node in source.nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr in {"commit", "rollback"}
    ]
    assert offences == []


def test_autocommit_is_not_used() -> None:
    """advanced-alchemy's autocommit answers 201 to a commit that failed."""
    offences = [
        source.at(node.lineno)
        for source in sources("src/app")
        for node in source.nodes
        if (isinstance(node, ast.keyword) and node.arg == "before_send_handler")
        or (isinstance(node, ast.Name | ast.Attribute) and "autocommit" in _last_name(node))
    ]
    assert offences == []


def test_domains_are_joined_by_table_names() -> None:
    """A foreign key names its table; a relationship stays in its domain and loads nothing by itself."""
    offences = []
    for source in sources("src/app/domain"):
        for node in source.nodes:
            if not isinstance(node, ast.Call) or _last_name(node.func) not in {"ForeignKey", "relationship"}:
                continue
            if _last_name(node.func) == "ForeignKey" and not isinstance(node.args[0], ast.Constant):
                offences.append(source.at(node.lineno))
            lazy = [word.value for word in node.keywords if word.arg == "lazy"]
            if _last_name(node.func) == "relationship" and [ast.unparse(each) for each in lazy] != ["'raise'"]:
                offences.append(source.at(node.lineno))
    assert offences == []


def test_no_import_inside_a_function() -> None:
    offences = [
        source.at(node.lineno)
        for folder in ("src", "tests")
        for source in sources(folder)
        for function in source.functions()
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert offences == []


def test_few_modules_import_by_name() -> None:
    """Each says why: tables, tracing that may be off, and what the help of the command line is spared."""
    found = {source.name.removeprefix("src/app/") for source in sources("src/app") if "import_module" in source.text}
    assert found == {"registry.py", "tracing.py", "server.py", "cli/plugin.py"}


def test_no_relative_import() -> None:
    offences = [
        source.at(node.lineno)
        for folder in ("src", "tests", "alembic", "bench")
        for source in sources(folder)
        for node in source.nodes
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert offences == []


def test_annotations_are_real() -> None:
    """Litestar and msgspec read them when the program runs; the future import would make them text."""
    offences = [source.name for source in sources("src/app") if "from __future__ import annotations" in source.text]
    assert offences == []


def test_packages_do_not_re_export() -> None:
    offences = [
        source.name
        for source in sources("src/app")
        if source.path.name == "__init__.py"
        if any(
            isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef) for node in source.tree.body
        )
    ]
    assert offences == []


def test_sizes() -> None:
    """A file has 250 lines and a function 30 at most; a file of tests 400."""
    offences = []
    for folder, limit in (("src", 250), ("tests", 400)):
        for source in sources(folder):
            lines = len(source.text.splitlines())
            if lines > limit:
                offences.append(f"{source.name}: {lines} lines")
    for source in sources("src"):
        for function in source.functions():
            length = _length(function)
            if length > 30:
                offences.append(f"{source.at(function.lineno)} {function.name}: {length} lines")
    assert offences == []


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def test_handlers_are_short() -> None:
    offences = [
        f"{source.at(function.lineno)} {function.name}: {_length(function)} lines"
        for source in sources("src/app")
        for function in source.functions()
        if _is_handler(function) and _length(function) > 15
    ]
    assert offences == []


def _is_handler(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    calls = [each.func for each in function.decorator_list if isinstance(each, ast.Call)]
    return any(isinstance(call, ast.Name) and call.id in DECORATORS for call in calls)


def test_names_say_what_is_inside() -> None:
    vague = re.compile(r"^_?(utils?|helpers?|common|base|managers?|misc|shared)$")
    modules = [source.name for folder in ("src", "tests") for source in sources(folder) if _vague(source, vague)]
    classes = [
        f"{source.at(node.lineno)} {node.name}"
        for source in sources("src")
        for node in source.nodes
        if isinstance(node, ast.ClassDef) and re.search(r"(Utils?|Helpers?|Manager)$", node.name)
    ]
    assert modules + classes == []


def _vague(source: Source, vague: re.Pattern[str]) -> bool:
    return any(vague.match(part.removesuffix(".py")) for part in source.path.relative_to(ROOT).parts)


SECRET = re.compile(r"(?i)(secret|token|digest|hash|signature|password|passwd|api_?key|auth_?key|cron_?key|^code)s?$")
# Both sides were read from the database; no client sees how long it takes.
BOTH_STORED = {"fresh.password_hash == account.password_hash"}


def test_no_secret_is_compared_with_an_operator() -> None:
    """`==` tells by its time how much was right: `hmac.compare_digest` does not."""
    offences = []
    for source in sources("src/app"):
        for node in source.nodes:
            if not isinstance(node, ast.Compare) or not any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
                continue
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Constant) for side in sides):
                continue
            if ast.unparse(node) not in BOTH_STORED and any(SECRET.search(_last_name(side)) for side in sides):
                offences.append(f"{source.at(node.lineno)} {ast.unparse(node)}")
    assert offences == []


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def handlers(app: Relampago) -> Iterator[tuple[str, HTTPRouteHandler]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if method != "OPTIONS":
                    yield f"{method} {route.path}", handler


def test_every_handler_has_one_access_guard(application: Relampago) -> None:
    offences = []
    for name, handler in handlers(application):
        if len([guard for guard in handler.resolve_guards() if guard in guards.ACCESS]) != 1:
            offences.append(name)
    assert offences == []


def test_every_documented_handler_has_an_operation_id(application: Relampago) -> None:
    ids: dict[str, set[str]] = {}
    offences = []
    for name, handler in handlers(application):
        if not handler.resolve_include_in_schema():
            continue
        if not isinstance(handler.operation_id, str):
            offences.append(name)
            continue
        ids.setdefault(handler.operation_id, set()).add(handler.handler_id)
    assert offences == []
    assert [name for name, found in ids.items() if len(found) > 1] == []


# Written in two halves, so that this file does not name them either.
FOREIGN = [
    "/" + "root/", "/" + "work/", "/" + "home/", "/" + "Users/", "../" + "shared", "files.python" + "hosted.org",
    "registry." + "npmjs.org", "py" + "pi.org/simple", "--extra-" + "index-url", "--index-" + "url",
]  # fmt: skip


def test_nothing_names_a_machine_or_a_registry() -> None:
    offences = []
    for path in files():
        text = path.read_bytes().decode("utf-8", errors="replace")
        offences += [f"{path.relative_to(ROOT)} names {each}" for each in FOREIGN if each in text]
    assert offences == []


def test_the_top_of_the_tree_is_fixed() -> None:
    found = {path.name for path in ROOT.iterdir()} - NOT_OURS - {".env"}
    assert found - TREE == set()


def test_each_decision_has_a_number_of_its_own() -> None:
    """In the file's name and in the title alike, from 0001 without a gap: a page is referred to by its number."""
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [page.name[:5] for page in pages] == [f"{number:04}-" for number in range(1, len(pages) + 1)]
    titles = [page.read_text(encoding="utf-8").splitlines()[0] for page in pages]
    assert [title[:7] for title in titles] == [f"# {page.name[:4]} " for page in pages]


def test_the_migrations_folder_does_not_hide_the_library() -> None:
    assert [path.name for path in (ROOT / "alembic").rglob("__init__.py")] == []
