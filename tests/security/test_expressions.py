"""S14: every regular expression of the code, on 50 kB that are meant to keep it busy."""

import ast
import re
import time
from collections.abc import Iterator

import pytest

from tests.security.findings import Findings
from tests.sources import ROOT

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
)


def expressions() -> Iterator[tuple[str, str, int]]:
    """Where, what and with which flags: all that `re` is given as a text that stands there."""
    for path in sorted((ROOT / "src" / "app").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if not isinstance(node.func.value, ast.Name) or node.func.value.id != "re" or not node.args:
                continue
            try:
                pattern = ast.literal_eval(node.args[0])
            except ValueError:  # made of parts: read below, as it is compiled
                continue
            if isinstance(pattern, str):
                flags = re.ASCII if "ASCII" in ast.dump(node) else 0
                yield f"{path.relative_to(ROOT)}:{node.lineno}", pattern, flags


@pytest.mark.parametrize(("where", "pattern", "flags"), list(expressions()), ids=lambda each: str(each)[:60])
def test_no_expression_is_kept_busy(findings: Findings, where: str, pattern: str, flags: int) -> None:
    compiled, slowest = re.compile(pattern, flags), 0.0
    for unit in UNITS:
        for end in ("", "!", "\0"):
            text = (unit * SIZE)[:SIZE] + end
            for look in (compiled.fullmatch, compiled.match):
                begun = time.process_time()
                look(text)
                slowest = max(slowest, time.process_time() - begun)
    findings.add("S14", GOAL, 1, slowest > SECONDS, "expressions")
    assert slowest <= SECONDS, where
