"""Functions of the database whose statements wait for their turn, one by one.

Before each statement that touches what is competed for, a call of `race_gate` is put in, which waits for a lock that
the director holds. The functions are otherwise what the migrations made, and nobody waits but a director's actors.
"""

import re
from collections.abc import Iterator

from tests.races.mutants import broken

# Functions that buyers meet in.
FILES = ("inventory_1.sql", "inventory_2.sql", "promos_1.sql", "marketing_1.sql")
GATES = (1_900_000_000, 1_900_000_001)
GATING = """
    SELECT pg_backend_pid() FROM (SELECT set_config('race.gated', :gated, false),
                                         set_config('race.side', '0', false)) settings
"""
GATE = f"""
    CREATE OR REPLACE FUNCTION race_gate() RETURNS void LANGUAGE plpgsql AS $gate$
    DECLARE side integer;
    BEGIN
        IF current_setting('race.gated', true) IS DISTINCT FROM 'on' THEN RETURN; END IF;
        side := current_setting('race.side');
        PERFORM pg_advisory_lock({GATES[0]} + side, pg_backend_pid());
        PERFORM pg_advisory_unlock({GATES[0]} + side, pg_backend_pid());
        PERFORM set_config('race.side', (1 - side)::text, false);
    END $gate$;
"""
_CONTENDED = re.compile(
    r"\b(reservation(_finished)?|stock_(slot|pool|ledger|due|own|units|free|end|lock|lock_due|spread)"
    r"|coupon(_use)?|promo_bought|promo_hold)\b"
)
_FUNCTION = re.compile(r"CREATE OR REPLACE FUNCTION(?:(?!\$\$).)*?AS \$\$(.*?)\$\$;", re.DOTALL)
# What ends a statement's head, by its first word; all others end with a semicolon.
_HEADS = {"IF": "THEN", "ELSIF": "THEN", "EXCEPTION": "THEN", "WHEN": "THEN", "FOR": "LOOP", "FOREACH": "LOOP"}
_ALONE = {"BEGIN", "ELSE", "LOOP"}
# Before these nothing can be put, or nothing is asked.
_UNGATED = {"IF", "ELSIF", "ELSE", "END", "EXCEPTION", "WHEN", "BEGIN", "LOOP", "FOREACH", "CONTINUE", "EXIT", "RAISE"}
_TOKEN = re.compile(r"--[^\n]*|'(?:[^']|'')*'|[A-Za-z_]\w*|\s+|.", re.DOTALL)


def stepped(file: str, pieces: tuple[tuple[str, str], ...] = ()) -> str:
    """A file of functions, pieces of them (old, new) replaced, each statement of theirs at a gate."""
    sql = broken(file, pieces)
    for found in list(_FUNCTION.finditer(sql))[::-1]:
        if "LANGUAGE plpgsql" in found[0]:
            sql = sql[: found.start(1)] + gated(found[1]) + sql[found.end(1) :]
    return GATE + sql


def gated(body: str) -> str:
    """The body of a function, calls of the gate put in; what it declares is left alone."""
    begin = body.index("BEGIN")
    made = body[:begin]
    for word, statement in statements(body[begin:]):
        lead = statement[: len(statement) - len(statement.lstrip())]
        gate = word not in _UNGATED and _CONTENDED.search(statement)
        made += f"{lead}PERFORM race_gate();{statement}" if gate else statement
    return made


def statements(body: str) -> Iterator[tuple[str, str]]:
    """First word and text of each statement, or of its head where others follow inside of it; all of it in order."""
    first, text, depth, cases = "", "", 0, 0
    for token in (found[0] for found in _TOKEN.finditer(body)):
        text += token
        if token.isspace() or token.startswith(("--", "'")):
            continue
        word = token.upper()
        first = first or word
        depth += (token == "(") - (token == ")")
        cases += (word == "CASE") - (word == "END" and cases > 0)
        ends = token == ";" or (word in _ALONE and first == word) or (not cases and word == _HEADS.get(first))
        if ends and not depth:
            yield first, text
            first, text = "", ""
    yield first, text
