-- What the queue does for each new job, done once for all jobs of a statement: many orders are placed in one transaction,
-- each with jobs of its own. A worker that hears of one job looks for all there are, so that one word a queue is enough.

DROP TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1 ON procrastinate_jobs;
DROP TRIGGER procrastinate_trigger_status_events_insert_v1 ON procrastinate_jobs;

CREATE FUNCTION jobs_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO procrastinate_events (job_id, type)
    SELECT a.id, 'deferred' FROM added a WHERE a.status = 'todo' ORDER BY a.id;
    PERFORM pg_notify('procrastinate_queue_v1#' || q.queue_name, q.news), pg_notify('procrastinate_any_queue_v1', q.news)
       FROM (SELECT a.queue_name, json_build_object('type', 'job_inserted', 'job_id', max(a.id))::text AS news
               FROM added a WHERE a.status = 'todo' GROUP BY a.queue_name) q;
    RETURN NULL;
END
$$;

CREATE TRIGGER jobs_inserted AFTER INSERT ON procrastinate_jobs REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION jobs_inserted();
