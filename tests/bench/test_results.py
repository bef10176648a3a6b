"""The file of results: rows put together part by part."""

import json
from pathlib import Path
from typing import Any

import pytest
from bench import results
from bench.parts import NAMES, PARTS, chosen
from bench.plan import FULL, QUICK, RESULTS, USUAL, chosen_mode
from bench.rows import KEYS

ORDER = ("one", "two", "three")


def of(part: str, ours: float) -> dict[str, Any]:
    return {"part": part, "ours": ours}


def test_a_parts_new_rows_take_the_place_of_its_old_ones() -> None:
    kept = [of("one", 1), of("two", 2), of("two", 3), of("gone", 4)]
    assert results.merged(kept, [of("two", 5)], ORDER) == [of("one", 1), of("two", 5)]


def test_parts_stand_in_their_order() -> None:
    found = results.merged([of("three", 3)], [of("one", 1), of("one", 2)], ORDER)
    assert found == [of("one", 1), of("one", 2), of("three", 3)]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "below" / "latest.json"
    assert results.read(path) == []
    results.write(path, [of("one", 1), of("two", 2)])
    assert results.read(path) == [of("one", 1), of("two", 2)]
    assert len(path.read_text(encoding="utf-8").splitlines()) == 4


def test_a_row_says_how_it_came_about() -> None:
    (found,) = results.with_run([of("one", 1)], "full", "make bench", {"PostgreSQL": "15"})
    assert found["ours"] == 1
    assert (found["run"]["mode"], found["run"]["command"], found["run"]["PostgreSQL"]) == ("full", "make bench", "15")
    assert {"cores", "processor", "Python", "litestar"} <= set(found["run"])


def test_the_kept_results_are_rows_of_parts() -> None:
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert isinstance(rows, list)
    assert [row for row in rows if not {*KEYS, "run", "unit"} <= set(row)] == []
    assert {row["part"] for row in rows} <= set(NAMES)
    assert [row for row in rows if (row["goal"] is None) is not (row["met"] is None)] == []


@pytest.mark.parametrize(
    ("variables", "mode"),
    [({}, USUAL), ({"QUICK": "1"}, QUICK), ({"FULL": "1"}, FULL), ({"QUICK": "0", "FULL": ""}, USUAL)],
)
def test_make_chooses_how_much(variables: dict[str, str], mode: object, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QUICK", "FULL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert chosen_mode() is mode


def test_all_parts_but_growth_belong_to_every_run() -> None:
    assert [part.name for part in chosen([], FULL)] == list(NAMES)
    assert [part.name for part in chosen([], USUAL)] == [part.name for part in PARTS if part.name != "growth"]
    assert chosen([], QUICK) == chosen([], USUAL)


def test_parts_are_chosen_by_name() -> None:
    assert [part.name for part in chosen(["growth", "holds"], QUICK)] == ["holds", "growth"]
    with pytest.raises(SystemExit, match="no part is called hold; there are holds, "):
        chosen(["hold"], USUAL)


def test_medians_are_of_five_rounds_and_a_quick_run_never_fails() -> None:
    assert min(USUAL.rounds, FULL.rounds) >= 5
    assert (QUICK.fails, USUAL.fails, FULL.fails) == (False, True, True)
    assert FULL.sizes == (10_000, 100_000, 1_000_000)
