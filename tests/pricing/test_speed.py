"""A quote is cheap: 50 lines under 20 rules in a few milliseconds of CPU, on a slow and busy machine too."""

from bench.quotes import LINES, milliseconds, purchase

GENEROUS_MS = 8


def test_fifty_lines_under_twenty_rules() -> None:
    lines, rules = purchase()
    assert (len(lines), len(rules.offers) + len(rules.scheduled) + len(rules.bulk)) == (LINES, 20)
    assert min(milliseconds(20)) < GENEROUS_MS
