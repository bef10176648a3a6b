"""What connections are told with and without a pooler between."""

from app.db.pooling import PLANNED_ONCE, Way, driver_arguments, engine_arguments, way_of


def test_straight() -> None:
    settings = {"application_name": "a", "jit": "off", "timezone": "UTC", **PLANNED_ONCE}
    assert driver_arguments("none", "a", PLANNED_ONCE) == {"server_settings": settings}


def test_settings_that_a_pooler_refuses_are_left_out() -> None:
    told = {"server_settings": {"application_name": "a", "timezone": "UTC"}}
    assert driver_arguments("transaction", "a", PLANNED_ONCE) == told
    assert driver_arguments("transaction-unprepared", "a") == told | {"statement_cache_size": 0}


def test_statements_without_a_name_where_none_is_kept() -> None:
    told = engine_arguments("transaction-unprepared", "a")
    assert (told["statement_cache_size"], told["prepared_statement_cache_size"]) == (0, 0)
    assert told["prepared_statement_name_func"]() == ""
    assert set(engine_arguments("transaction", "a")) == {"server_settings"}


def test_a_plain_address_leads_straight_there() -> None:
    assert way_of("postgresql://a") == Way("postgresql://a", "none")
    assert way_of(Way("b", "transaction")) == Way("b", "transaction")
