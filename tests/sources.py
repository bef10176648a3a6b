"""The project's own sources, each parsed at most once, for the tests that read code instead of running it."""

import ast
import os
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What `.gitignore` keeps out of the tree, and the tree's own history.
NOT_OURS = {
    ".git",
    ".venv",
    "var",
    "dist",
    "__pycache__",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Source:
    """One Python file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.relative_to(ROOT).as_posix()
        self.text = path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All of its tree: many rules look through it, and walking is the most of what they would do."""
        return tuple(ast.walk(self.tree))

    @property
    def module(self) -> str:
        """Dotted, without the `src` that it lies in: `app.http.edge`."""
        parts = self.path.relative_to(ROOT / "src").with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def functions(self) -> list[Function]:
        return [node for node in self.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and dotted name of everything that is imported; `from a import b` is `a.b` when that is a module."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    yield node.lineno, inner if _is_module(inner) else node.module

    def at(self, line: int) -> str:
        return f"{self.name}:{line}"


def _is_module(name: str) -> bool:
    place = ROOT / "src" / Path(*name.split("."))
    return place.with_suffix(".py").is_file() or place.is_dir()


@cache
def sources(folder: str) -> tuple[Source, ...]:
    """Every Python file below a folder of the project."""
    return tuple(_source(path) for path in sorted((ROOT / folder).rglob("*.py")))


@cache
def _source(path: Path) -> Source:
    """It lies in several folders that are asked for."""
    return Source(path)


def files() -> Iterator[Path]:
    """Every file of the project that is not generated."""
    for folder, names, found in os.walk(ROOT):
        names[:] = sorted(name for name in names if name not in NOT_OURS)
        if Path(folder, "var").relative_to(ROOT).as_posix() == "bench/var":
            names[:] = [name for name in names if name != "var"]
        # A linked work tree has a file named `.git`.
        yield from (Path(folder, name) for name in found if name not in {".env", ".git"} and not name.endswith(".pyc"))
