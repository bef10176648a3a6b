"""The table, the chart and the page that are made of rows."""

import re
from html import unescape

import pytest
from bench import chart, document, results, tables
from bench.plan import RESULTS, ROOT
from bench.rows import row

HOLD = row(
    "holds", "hold, ä & 1,000", "holds/s", [7327.0], peer=[368.0], limit=[11739.0], ratios=[19.91], clients=32, least=20
)
SLOW = row("holds", "hold, ä & 1,000", "ms, p99", [10.0], peer=[118.7], ratios=[0.084], clients=32, most=100, of="ours")
ALONE = row("start", "litestar --help", "s", [0.5, 0.6, 0.7])
RUN = {"mode": "default", "command": "make bench ARGS=holds", "cores": "2"}


def test_the_table_of_rows() -> None:
    assert tables.table([HOLD, SLOW, ALONE], {"litestar --help": "charts/help.svg"}).splitlines()[2:] == [
        "| hold, ä & 1,000 | 32 | holds/s | 7,327 | 368 | 11,739 | 19.9 (19.9 to 19.9) | ≥ 20 | **no** |",
        "| hold, ä & 1,000 | 32 | ms, p99 | 10 | 119 |  | 0.084 (0.084 to 0.084) | ≤ 100 (ours) | yes |",
        "| [litestar --help](charts/help.svg) | 1 | s | 0.6 |  |  | (0.5 to 0.7) |  |  |",
    ]


def test_costs_are_told_once_a_scenario() -> None:
    cpu = {"ours": {"server": 1169, "database": 72, "client": 19}}
    rows = [HOLD | {"cpu_us": cpu}, SLOW | {"cpu_us": cpu}, ALONE]
    assert tables.costs(rows).splitlines()[2:] == ["| hold, ä & 1,000 | 32 | ours | 1,169 | 72 | 19 |"]
    assert tables.costs([ALONE]) == ""


def test_facts_that_differ_say_of_which_part() -> None:
    rows = [HOLD | {"run": RUN}, ALONE | {"run": RUN | {"mode": "full"}}]
    assert tables.facts(rows).splitlines()[2:] == ["| mode | default (holds); full (start) |", "| cores | 2 |"]


def test_a_chart_is_a_drawing_of_its_rows() -> None:
    drawn = chart.svg(HOLD["scenario"], [HOLD, SLOW])
    bars = re.findall(r'<rect x="[^>]* width="([0-9.]+)"', drawn)
    assert bars == ["293.4", "14.7", "470.0", "39.6", "470.0"]
    words = [unescape(each) for each in re.findall(r"<text[^>]*>([^<]*)</text>", drawn)]
    assert words[0] == "hold, ä & 1,000"
    assert words[1] == "holds/s · 32 clients · ratio 19.9 (19.9 to 19.9), goal ≥ 20, missed"
    assert "7,327" in words


def test_a_chart_is_the_same_each_time() -> None:
    assert chart.svg("one", [HOLD]) == chart.svg("one", [dict(HOLD)])


def test_a_goal_of_our_own_figure_is_a_line() -> None:
    assert chart.svg("one", [HOLD]).count("stroke-dasharray") == 0
    slow = row("p", "s", "ms", [25.0], most=50)
    assert re.search(r'd="M560\.0 ', chart.svg("one", [slow]))
    assert 'width="235.0"' in chart.svg("one", [slow])


def test_sizes_are_bars_of_their_own() -> None:
    grown = row(
        "growth", "growth: hold", "ms", [2.0], limit=[1.0], ratios=[2.0], figures={"10,000": 1.0, "1,000,000": 2.0}
    )
    drawn = chart.svg("growth: hold", [grown])
    assert 'width="235.0"' in drawn
    assert ">10,000<" in drawn
    assert ">ours<" not in drawn


def test_what_grows_more_than_the_logarithm_is_named() -> None:
    sizes = {"10,000": 1.0, "1,000,000": 2.0}
    grown = row("growth", "growth: hold", "ms", [2.0], limit=[1.0], ratios=[2.0], most=1.5, figures=sizes)
    flat = grown | {"scenario": "growth: login", "ratio": 1.2, "met": True}
    assert tables.growth([ALONE, grown, flat]).splitlines() == [
        "| ms | 10,000 | 1,000,000 | grows by | more than the logarithm |",
        "|---|---|---|---|---|",
        "| growth: hold | 1 | 2 | 2 | **yes**, of 1.5 |",
        "| growth: login | 1 | 2 | 1.2 | no |",
    ]
    assert tables.growth([ALONE]) == ""


@pytest.mark.parametrize(
    ("scenario", "name"),
    [("hold, 1,000 promotions", "hold-1-000-promotions.svg"), ("über: COUNT(*)", "uber-count.svg")],
)
def test_a_charts_name(scenario: str, name: str) -> None:
    assert chart.name_of(scenario) == name


def test_figures_stand_between_their_marks() -> None:
    page = f"before\n{document.BEGIN}\nold\n{document.END}\nafter\n"
    renewed = document.between(page, "new")
    assert renewed == f"before\n{document.BEGIN}\n\nnew\n\n{document.END}\nafter\n"
    assert document.between(renewed, "new") == renewed
    with pytest.raises(ValueError, match="no place"):
        document.between("before", "new")


def test_pages_and_charts_show_the_kept_results() -> None:
    stale = [
        path.relative_to(ROOT).as_posix()
        for path, text in document.written(results.read(RESULTS)).items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert stale == []


def test_the_page_has_a_table_a_part() -> None:
    page = document.figures([HOLD | {"run": RUN}, ALONE | {"run": RUN}], {})
    titles = [line for line in page.splitlines() if line.startswith("### ")]
    assert titles == ["### Holds", "### Start", "### Machine and versions"]
    assert "`make bench ARGS=holds`" in page
