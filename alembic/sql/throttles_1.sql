-- How often keys were hit lately. A key is a scope and a client; its row tells the hits of the last `span`, of which
-- there may be `allowance`. Not logged: a crash forgets it, and nothing waits for the disk.

-- counts[i] hits came until stamps[i]; the newest entry began at `opened`. What stands after them is about the latest
-- statement: how many hits it asked for and got, when, and how many the window has with them.
CREATE UNLOGGED TABLE throttle (
    key text COLLATE "C" PRIMARY KEY,
    hits integer NOT NULL,
    allowance integer NOT NULL,
    span interval NOT NULL,
    stamps timestamptz[] NOT NULL,
    counts integer[] NOT NULL,
    opened timestamptz NOT NULL,
    at timestamptz NOT NULL,
    granted integer NOT NULL,
    used integer NOT NULL
) WITH (fillfactor = 50);

-- The row as it is after `p_hits` further ones, as many of them as there is room for. Up to an allowance of 100 each
-- keeps its instant; above, hits within a 59th of the window share an entry, whose instant is the last one's: at most
-- 60 entries live, and never more than the allowance in any window. `p_shift` moves the clock, for tests.
CREATE FUNCTION throttle_step(p_row throttle, p_key text, p_hits integer, p_allowance integer, p_span interval,
                              p_shift interval)
RETURNS throttle LANGUAGE plpgsql AS $$
DECLARE
    stamps timestamptz[] := COALESCE(p_row.stamps, '{}');
    counts integer[] := COALESCE(p_row.counts, '{}');
    opened timestamptz := p_row.opened;
    size integer := cardinality(stamps);
    gone integer := 0;
    used integer := COALESCE(p_row.used, 0);
    -- The clock may be set back; the order of the entries stays.
    at timestamptz := GREATEST(clock_timestamp() + p_shift, p_row.at);
    granted integer;
BEGIN
    WHILE gone < size AND stamps[gone + 1] <= at - p_span LOOP
        gone := gone + 1;
        used := used - counts[gone];
    END LOOP;
    IF gone > 0 THEN
        stamps := stamps[gone + 1 :];
        counts := counts[gone + 1 :];
        size := size - gone;
    END IF;
    granted := GREATEST(LEAST(p_hits, p_allowance - used), 0);
    IF granted > 0 AND p_allowance > 100 AND size > 0 AND at < opened + p_span / 59 THEN
        stamps[size] := at;
        counts[size] := counts[size] + granted;
    ELSIF granted > 0 THEN
        stamps[size + 1] := at;
        counts[size + 1] := granted;
        opened := at;
    END IF;
    RETURN (p_key, p_hits, p_allowance, p_span, stamps, counts, COALESCE(opened, at), at, granted, used + granted);
END
$$;

-- Take back a hit that was granted at `p_at`: it was none. One that is over is counted nowhere any more. An entry that is
-- left empty goes; whatever comes next begins a new one.
CREATE FUNCTION throttle_give_back(p_key text, p_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    found_row throttle;
    place integer;
BEGIN
    SELECT * INTO found_row FROM throttle WHERE key = p_key FOR UPDATE;
    SELECT min(i) INTO place FROM generate_subscripts(found_row.stamps, 1) i
     WHERE found_row.stamps[i] >= p_at AND p_at > found_row.at - found_row.span;
    IF place IS NULL THEN
        RETURN;
    ELSIF found_row.counts[place] > 1 THEN
        found_row.counts[place] := found_row.counts[place] - 1;
    ELSE
        found_row.stamps := found_row.stamps[: place - 1] || found_row.stamps[place + 1 :];
        found_row.counts := found_row.counts[: place - 1] || found_row.counts[place + 1 :];
        found_row.opened := '-infinity';
    END IF;
    UPDATE throttle t
       SET stamps = found_row.stamps, counts = found_row.counts, opened = found_row.opened, used = t.used - 1
     WHERE t.key = p_key;
END
$$;
