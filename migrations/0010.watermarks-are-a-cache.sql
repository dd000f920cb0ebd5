-- A watermark goes with its order's last event, and comes back with a later one.
-- depends: 0009.retention

-- The days (UTC) whose events are kept. Materialized, so that no condition on them is tried on the
-- names of other tables, which are no days.
CREATE VIEW ops.kept_days AS
    WITH days AS MATERIALIZED (
        SELECT to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') AS day
          FROM pg_inherits
         WHERE inhparent = 'ops.events'::regclass)
    SELECT day FROM days;

-- A day of which an event of this order is kept, or was when it was last looked at. Rarely changed,
-- so that its index does not make it dearer to move a watermark. Older rows are looked at once.
ALTER TABLE ops.watermarks ADD COLUMN day date NOT NULL DEFAULT '-infinity';
CREATE INDEX watermarks_by_day ON ops.watermarks (day);

-- How far an order's events have come back without a gap, from what is kept of them: what is no longer
-- kept has come back. Nothing is known of a cart, which has one event.
CREATE FUNCTION ops.watermark_of(wanted bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT min(sequence) - 1
           FROM orders.order_history AS history
          WHERE order_id = wanted
            AND (at AT TIME ZONE 'UTC')::date IN (SELECT day FROM ops.kept_days)
            AND NOT EXISTS (SELECT FROM ops.inbox
                             WHERE inbox.occurred_at = history.at
                               AND inbox.event_id = history.event_id)),
        (SELECT max(sequence) FROM orders.order_history WHERE order_id = wanted),
        0)
$$;

-- A bridge of the version before makes each watermark that is missing begin at 0: so as not to stand
-- still there for ever, one that was forgotten begins where it ended.
CREATE FUNCTION ops.restore_watermark() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.sequence := ops.watermark_of(NEW.order_id);
    RETURN NEW;
END $$;
CREATE TRIGGER restored BEFORE INSERT ON ops.watermarks
    FOR EACH ROW WHEN (NEW.day = '-infinity') EXECUTE FUNCTION ops.restore_watermark();

-- Looks at up to at_most watermarks whose day is no longer kept: each goes, or gets a later day that
-- is, so none is looked at in vain again. Returns how many went.
CREATE FUNCTION ops.forget_watermarks(at_most integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    looked_at bigint[];
    forgotten integer;
BEGIN
    SELECT array_agg(order_id) INTO looked_at
      FROM (SELECT waiting.order_id
              FROM (SELECT day + 1 AS since, lead(day, 1, 'infinity') OVER (ORDER BY day) AS until
                      FROM (SELECT day FROM ops.kept_days UNION SELECT '-infinity') AS days) AS gone
             CROSS JOIN LATERAL (
                    SELECT order_id
                      FROM ops.watermarks
                     WHERE day >= gone.since AND day < gone.until
                     LIMIT at_most
                       FOR UPDATE SKIP LOCKED) AS waiting
             WHERE gone.since < gone.until
             LIMIT at_most) AS turn;
    IF looked_at IS NULL THEN
        RETURN 0;
    END IF;
    -- In a statement of its own: as long as we hold the locks, no event of these orders is recorded.
    -- One that is committed meanwhile and comes back later finds no watermark and restores it.
    WITH happened AS (
        SELECT order_id, (at AT TIME ZONE 'UTC')::date AS day
          FROM orders.order_history
         WHERE order_id = ANY (looked_at)
         UNION ALL
        SELECT id, (closed_at AT TIME ZONE 'UTC')::date
          FROM orders.carts
         WHERE id = ANY (looked_at)
    ), kept AS (
        SELECT order_id, max(day) AS day
          FROM happened
         WHERE day IN (SELECT day FROM ops.kept_days)
         GROUP BY order_id
    ), looked_at_later AS (
        UPDATE ops.watermarks
           SET day = kept.day
          FROM kept
         WHERE watermarks.order_id = kept.order_id
    )
    DELETE FROM ops.watermarks
     WHERE order_id = ANY (looked_at)
       AND order_id NOT IN (SELECT order_id FROM kept);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END $$;
