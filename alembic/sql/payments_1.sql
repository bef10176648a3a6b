-- What the provider has told, many at a time: each is kept once, and a job waits for every payment that it is about, or
-- nothing of it is. A job that waits already is held until this transaction ends, so that it sees what was kept. Rows
-- are written in the order of their keys, whoever comes, so that two batches do not wait for each other; who waits for
-- somebody else gives up in a second. Sequential scans are off since a plan made while the queue is empty stays.
CREATE FUNCTION payment_told(p_task text, p_resource text[], p_action text[], p_happened_at text[], p_request_id text[],
                             p_raw text[])
RETURNS void LANGUAGE plpgsql SET lock_timeout = '1s' SET enable_seqscan = off AS $$
DECLARE
    -- Locks of the jobs that are still to be queued or held.
    missing text[];
BEGIN
    INSERT INTO payment_notification (resource, action, happened_at, request_id, raw)
    SELECT t.resource, t.action, t.happened_at, t.request_id, t.raw
      FROM unnest(p_resource, p_action, p_happened_at, p_request_id, p_raw)
           WITH ORDINALITY AS t (resource, action, happened_at, request_id, raw, place)
     ORDER BY t.resource COLLATE "C", t.action COLLATE "C", t.happened_at COLLATE "C", t.place
        ON CONFLICT (resource, action, happened_at) DO NOTHING;

    missing := ARRAY(SELECT DISTINCT p_task || ':' || t.resource FROM unnest(p_resource) AS t (resource));
    FOR tries IN 1..5 LOOP
        WITH queued AS (
            INSERT INTO procrastinate_jobs (queue_name, task_name, priority, queueing_lock, args)
            SELECT 'default', p_task, 0, m.key, jsonb_build_object('resource', substr(m.key, length(p_task) + 2))
              FROM unnest(missing) AS m (key)
             ORDER BY m.key COLLATE "C"
                ON CONFLICT (queueing_lock) WHERE status = 'todo' DO NOTHING
            RETURNING queueing_lock)
        SELECT array_agg(m.key) INTO missing
          FROM unnest(missing) AS m (key) LEFT JOIN queued AS q ON q.queueing_lock = m.key
         WHERE q.queueing_lock IS NULL;
        EXIT WHEN missing IS NULL;

        -- The worker fetches with SKIP LOCKED: a job that is locked here starts after this transaction.
        WITH held AS (
            SELECT j.queueing_lock FROM procrastinate_jobs AS j
             WHERE j.queueing_lock = ANY (missing) AND j.status = 'todo'
             ORDER BY j.queueing_lock COLLATE "C"
               FOR SHARE)
        SELECT array_agg(m.key) INTO missing
          FROM unnest(missing) AS m (key) LEFT JOIN held AS h ON h.queueing_lock = m.key
         WHERE h.queueing_lock IS NULL;
        EXIT WHEN missing IS NULL;
    END LOOP;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'jobs come and go faster than they can be held' USING ERRCODE = 'lock_not_available';
    END IF;
END
$$;
