"""What is asked of the figures: the goals stand where they are measured, and none is lost on the way."""

from bench import audience, catalogue, figures, jobs, logins, orders, start, webhooks
from bench.plan import CROWD, FULL, HOT, MANY, SLOW_DISK, USUAL


def test_holds_are_asked_for_at_thirty_two_and_at_a_hundred_and_twenty_eight_clients() -> None:
    assert [(each.clients, each.to_peer, each.to_limit) for each in (HOT, CROWD)] == [(32, 20, 0.6), (128, 20, 0.6)]
    assert (MANY.promos, MANY.to_peer) == (1000, 12)
    assert (SLOW_DISK.commit_delay, SLOW_DISK.to_peer) == (1000, 25)
    for mode in (USUAL, FULL):
        assert {HOT, CROWD, MANY, SLOW_DISK} <= set(mode.scenarios)


def test_lists_orders_and_audiences_are_asked_for() -> None:
    least = {each.name: each.least for each in catalogue.LISTS}
    assert least["the first page"] == 15
    assert least["the 50th page of a category"] == least["a search of two words"] == 10
    assert (catalogue.LEAST_TO_COUNTING, USUAL.products) == (4, 100_000)
    assert orders.LEAST["three lines, distinct products"] == 8
    assert audience.LEAST["bulk_create"] == (8, 50)
    assert (USUAL.people, USUAL.audiences) == (1_000_000, (50_000, 1000))


def test_what_runs_beside_requests_is_asked_for() -> None:
    assert (logins.CLIENTS, logins.MOST_TIMES) == (20, 1.5)
    assert (webhooks.LEAST_A_SECOND, webhooks.MOST_MS) == (2000, 50)
    assert (jobs.AHEAD, USUAL.pushes) == (1, 10_000)
    assert (figures.MOST_MS, USUAL.orders) == (150, 5_000_000)
    assert (start.MOST_API, start.MOST_HELP) == (1.6, 1.3)
