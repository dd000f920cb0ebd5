-- Retention: what is old and settled goes a little at a time, and nobody waits for it.
-- depends: 0008.listing

-- Which process deletes what is old, and until when; a lease that ends by itself (one row).
CREATE TABLE ops.retention (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    holder   uuid,
    due_at   timestamptz NOT NULL DEFAULT now() -- when the next process may begin
);
INSERT INTO ops.retention DEFAULT VALUES;

-- A settled delivery or consumption goes before the resolved dead letter that once stood for it, or
-- after it. The letter keeps the number; what an open letter refers to is never deleted.
ALTER TABLE ops.dead_letters
    DROP CONSTRAINT dead_letters_delivery_id_fkey,
    DROP CONSTRAINT dead_letters_consumption_id_fkey;

-- Only what may go is in them: what may not is never in the way, however much it is.
CREATE INDEX deliveries_by_age ON ops.webhook_deliveries (settled_at)
    WHERE state IN ('delivered', 'skipped');
CREATE INDEX dead_letters_by_age ON ops.dead_letters (resolved_at) WHERE resolved_at IS NOT NULL;

-- Makes the daily partitions of the events and the inbox from yesterday to the given day. Attached,
-- not created in place: then no statement that reads or writes orders has to wait.
CREATE OR REPLACE FUNCTION ops.make_partitions(through date) RETURNS integer LANGUAGE plpgsql
SET lock_timeout = '1s' AS $$
DECLARE
    day date;
    parent text;
    partition text;
    made integer := 0;
BEGIN
    FOR day IN SELECT generate_series((now() AT TIME ZONE 'UTC')::date - 1, through, interval '1 day')::date LOOP
        FOREACH parent IN ARRAY ARRAY['events', 'inbox'] LOOP
            partition := parent || '_' || to_char(day, 'YYYYMMDD');
            IF to_regclass(format('ops.%I', partition)) IS NULL THEN
                EXECUTE format('CREATE TABLE ops.%I (LIKE ops.%I INCLUDING ALL)', partition, parent);
                EXECUTE format('ALTER TABLE ops.%I ATTACH PARTITION ops.%I FOR VALUES FROM (%L) TO (%L)',
                    parent, partition,
                    day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
                made := made + 1;
            END IF;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;

-- Drops a day of the events and the inbox. Every order waits behind us while we wait for a long
-- query: so not for long, and again later.
CREATE FUNCTION ops.drop_day(day date) RETURNS void LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
BEGIN
    EXECUTE format('DROP TABLE IF EXISTS ops.%I, ops.%I',
        'events_' || to_char(day, 'YYYYMMDD'), 'inbox_' || to_char(day, 'YYYYMMDD'));
END $$;
