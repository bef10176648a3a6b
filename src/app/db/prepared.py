"""Statements of SQLAlchemy's language as the driver itself takes them: without a session, or in one at less cost."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from sqlalchemy import JSON, Select, bindparam, text
from sqlalchemy.dialects.postgresql.asyncpg import PGCompiler_asyncpg, PGDialect_asyncpg
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.selectable import TextualSelect
from sqlalchemy.types import TypeEngine

T = TypeVar("T")


class Prepared(msgspec.Struct, frozen=True):
    """A statement, and the names of its arguments in their order."""

    sql: str
    names: tuple[str, ...]

    def arguments(self, given: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(given[name] for name in self.names)


def argument(name: str, type_: type[TypeEngine[T]] | TypeEngine[T]) -> BindParameter[T]:
    """A parameter that gets its value when the statement is sent."""
    return bindparam(name, None, type_=type_)


def prepare(statement: ClauseElement) -> Prepared:
    """Named parameters become arguments; values that stand in the statement are written into it.

    So the planner knows them, and an index with a condition is found by a plan that serves all arguments.
    """
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return Prepared(str(compiled), tuple(getattr(compiled, "positiontup", None) or ()))


def plain(statement: Select[*tuple[Any, ...]]) -> TextualSelect:
    """The statement as text, made once: rows go through no types but JSON's, for all others are the driver's own.

    Its parameters keep their names and their types. Raises ValueError where two columns have one name, or where a value
    stands in the statement.
    """
    names = [column.name for column in statement.selected_columns]
    if len(set(names)) < len(names):
        raise ValueError(f"columns of one name: {names}")
    compiled = statement.compile(dialect=_NAMED)
    typed = [bindparam(name, type_=compiled.binds[name].type) for name in compiled.params]
    if any(not compiled.binds[name].required for name in compiled.params):
        raise ValueError("values stand in the statement")
    decoded = {column.name: column.type for column in statement.selected_columns if isinstance(column.type, JSON)}
    return text(str(compiled)).bindparams(*typed).columns(**decoded)


class _Writing(PGCompiler_asyncpg):
    """Writes the values that stand in a statement, whose parameters SQLAlchemy has named by itself."""

    def visit_bindparam(self, bindparam: Any, **kw: Any) -> Any:  # type: ignore[override]
        kw["literal_execute"] = kw.get("literal_execute") or bindparam.unique
        return super().visit_bindparam(bindparam, **kw)  # type: ignore[no-untyped-call]


_NAMED: Any = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]
_DIALECT: Any = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
_DIALECT.statement_compiler = _Writing
