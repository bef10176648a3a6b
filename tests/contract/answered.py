"""A whole run of the suite has had a success of every operation that there is, and compared it with the contract.

The processes of a run count for themselves and hand their counts in when they end; a run of chosen tests is not judged.
"""

from collections import Counter
from typing import Any

import pytest

from tests.contract import checking
from tests.contract.operations import contract

KEY = "answered"
DRESSED_GOAL = "security headers on every answer"
NEVER: list[str] = []


def is_whole(config: pytest.Config) -> bool:
    """Nothing was chosen, so that every test was run."""
    chosen = config.option.keyword or config.option.markexpr or config.option.collectonly
    return not chosen and list(config.args) == list(config.getini("testpaths"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[KEY] = dict(checking.answered)
    elif is_whole(session.config) and session.exitstatus == pytest.ExitCode.OK:
        NEVER[:] = [name for name in contract() if not checking.answered[name]]
        if NEVER:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """S12, file by file: what the clients of the test have counted. A bare answer breaks the goal."""
    if item.config.getoption("--rounds") == "full" and checking.seen["answers"]:
        goals: Any = item.config.pluginmanager.get_plugin("goals")
        tried = {"answers": checking.seen["answers"]}
        goals.add("S12", DRESSED_GOAL, tried, checking.seen["bare"], "{tried}, {lost} without them")
        checking.seen.clear()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    checking.answered.update(Counter(getattr(node, "workeroutput", {}).get(KEY, {})))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if NEVER:
        terminalreporter.section("operations that no test has had a success of")
        for name in NEVER:
            terminalreporter.line(name)
