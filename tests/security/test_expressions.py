"""S14: every regular expression of the code, on 50 kB that are meant to keep it busy."""

import ast
import importlib
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import pytest

from app.domain.activity.rules import safe_text
from app.logs import masked, masked_query
from tests.security.findings import Findings
from tests.sources import Source, sources

GOAL = "every regular expression of the code within 50 ms on 50 kB; versions without known holes; locks with digests"
pytestmark = pytest.mark.shows("S14")
SECONDS, SIZE = 0.05, 50_000
UNITS = (
    "a",
    "0",
    " ",
    "\t",
    "\r\n",
    "-",
    ".",
    "@",
    "a.",
    "a@",
    "a-",
    "0.",
    "=",
    "%41",
    '"',
    "\\",
    "/",
    "aA0_",
    "=?a?",
    "<a",
    ",;",
    "eyJ",
    "eyJa.",
    "bearer ",
    "4111 1111 1111 1111-",
    "-----BEGIN A",
)
ENDS = ("", "\0")
# `search`, `findall`, `finditer` and `split` look where `sub` looks, and no farther; the first of it is `match`.
VERBS = ("fullmatch", "sub")
ANCHORED = {"fullmatch", "match"}
_parser: Any = importlib.import_module("re._parser")
Case = tuple[str, re.Pattern[Any], tuple[str, ...]]


def calls(source: Source) -> Iterator[ast.Call]:
    """Those of functions of `re` that are given a pattern."""
    if "re." not in source.text:
        return
    for node in source.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            function = node.func
            if isinstance(function.value, ast.Name) and function.value.id == "re" and function.attr != "escape":
                yield node


def written_out(source: Source) -> Iterator[Case]:
    """What functions of `re` are given as a text; each is tried as it is used."""
    for node in calls(source):
        assert isinstance(node.func, ast.Attribute)
        if node.func.attr == "compile":
            continue
        compiled = re.compile(ast.literal_eval(node.args[0]), re.ASCII if "ASCII" in ast.dump(node) else 0)
        yield source.at(node.lineno), compiled, ("fullmatch",) if node.func.attr in ANCHORED else VERBS


def kept(source: Source) -> Iterator[Case]:
    """The module's own compiled expressions, whatever they are made of, texts or bytes."""
    for name, value in vars(importlib.import_module(source.module)).items():
        if isinstance(value, re.Pattern) and re.search(rf"^{name}\b.*= re\.compile", source.text, re.MULTILINE):
            yield f"{source.name} {name}", value, VERBS if looked_for(name, source) else ("fullmatch",)


def looked_for(name: str, own: Source) -> bool:
    """Whether anything but `match` and `fullmatch` is asked of what bears this name, or may be: where it is seen."""
    uses, anchored = 0, 0
    for source in (own,) if name.startswith("_") else sources("src/app"):
        for node in source.nodes if name in source.text else ():
            uses += isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
            uses += isinstance(node, ast.Attribute) and node.attr == name
            if isinstance(node, ast.Attribute) and node.attr in ANCHORED:
                anchored += isinstance(node.value, ast.Name) and node.value.id == name
    return uses != anchored


def expressions() -> Iterator[Case]:
    for source in sources("src/app"):
        if any(calls(source)):
            yield from written_out(source)
            yield from kept(source)


CASES = list(expressions())


def test_every_expression_is_found() -> None:
    """One that is compiled anywhere but at a module's top would be tried by nobody."""
    written = sum(1 for source in sources("src/app") for _ in calls(source))
    assert len(CASES) == written
    assert {type(compiled.pattern) for _, compiled, _ in CASES} == {str, bytes}


def ways(parsed: Any) -> Iterator[list[str]]:
    """For each way through an expression a text for each of its steps: `a+(b|cd)` is a, b and a, c, d."""
    found: list[list[str]] = [[]]
    for what, of in parsed:
        found = [way + step for way in found for step in islice(steps(str(what), of), 4)][:24]
    yield from found


def steps(what: str, of: Any) -> Iterator[list[str]]:
    match what:
        case "LITERAL":
            yield [chr(of)]
        case "NOT_LITERAL" | "ANY":
            yield ["~"]
        case "IN":
            yield [member(of)]
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            yield from ([text for _ in range(max(of[0], 1)) for text in way] for way in islice(ways(of[2]), 4))
        case "SUBPATTERN":
            yield from ways(of[3])
        case "ATOMIC_GROUP":
            yield from ways(of)
        case "BRANCH":
            for each in of[1]:
                yield from ways(each)
        case _:
            yield []


def member(of: Any) -> str:
    """A character of a set: one of those that it names, or one that it does not."""
    kind, first = str(of[0][0]), of[0][1]
    if kind == "CATEGORY":
        return {"CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " "}.get(str(first), "a")
    if kind == "NEGATE":
        return "~"
    return chr(first if kind == "LITERAL" else first[0])


def texts(compiled: re.Pattern[Any]) -> Iterator[Any]:
    """50 kB of the units, of each beginning of the expression's own, and of each step of it after its beginning."""
    is_bytes = isinstance(compiled.pattern, bytes)
    found = dict.fromkeys((unit * SIZE)[:SIZE] for unit in UNITS)
    for way in ways(_parser.parse(compiled.pattern, compiled.flags)):
        for place in range(len(way)):
            head = "".join(way[: place + 1])
            found |= dict.fromkeys([(head * SIZE)[:SIZE], ("".join(way[:place]) + way[place] * SIZE)[:SIZE]])
    for text in found:
        for end in ENDS:
            yield (text + end).encode() if is_bytes else text + end


def seconds(run: Callable[[], object]) -> float:
    """The processor's time; what is too long is tried twice more, for a machine that has other work."""
    best = 9.0
    for _ in range(3):
        begun = time.process_time()
        run()
        best = min(best, time.process_time() - begun)
        if best <= SECONDS:
            break
    return best


@pytest.mark.parametrize(("where", "compiled", "verbs"), CASES, ids=[where for where, _, _ in CASES])
def test_no_expression_is_kept_busy(
    findings: Findings, where: str, compiled: re.Pattern[Any], verbs: tuple[str, ...]
) -> None:
    nothing = compiled.pattern[:0]
    ask = {"fullmatch": compiled.fullmatch, "sub": lambda text: compiled.sub(nothing, text)}
    tried = ((verb, text, seconds(partial(ask[verb], text))) for text in texts(compiled) for verb in verbs)
    slow = next(((verb, text[:40], taken) for verb, text, taken in tried if taken > SECONDS), None)
    findings.add("S14", GOAL, 1, slow is not None, "expressions")
    assert slow is None, where


@pytest.mark.parametrize("look", [masked, masked_query, safe_text])
def test_what_looks_at_every_request_is_not_kept_busy(findings: Findings, look: Callable[[str], str]) -> None:
    """All that is done to a path, a query and a description, on the units after each of the heads."""
    heads = ("", "eyJ", "bearer ", "-----BEGIN ", "eyJaaaaaaaaa.")
    tried = ((head + unit * SIZE)[:SIZE] for head in heads for unit in UNITS)
    slow = next((text[:40] for text in tried if seconds(partial(look, text)) > SECONDS), None)
    findings.add("S14", GOAL, 1, slow is not None, "functions that mask")
    assert slow is None
