-- The outbox and the inbox: the way of an event out to Pub/Sub and back.
-- depends: 0001.orders

CREATE SCHEMA ops;

-- Every event with its payload. Append-only, one partition a day (UTC), dropped whole.
-- No index keeps (order_id, sequence) unique over the days: the order's row lock does.
CREATE TABLE ops.events (
    event_id         uuid NOT NULL DEFAULT gen_random_uuid(),
    occurred_at      timestamptz NOT NULL DEFAULT now(),
    order_id         bigint NOT NULL,
    order_public_id  uuid NOT NULL,
    order_created_at timestamptz NOT NULL,
    sequence         bigint NOT NULL CHECK (sequence >= 1),
    type             text NOT NULL CHECK (type ~ '^[a-z_]+(\.[a-z_]+)+$'),
    content          jsonb NOT NULL,
    traceparent      text,
    PRIMARY KEY (occurred_at, event_id)
) PARTITION BY RANGE (occurred_at);

CREATE TRIGGER append_only BEFORE UPDATE ON ops.events
    FOR EACH ROW EXECUTE FUNCTION orders.refuse_change();

-- One narrow pointer for each event that has not come back through the bridge yet.
CREATE TABLE ops.outbox (
    event_id      uuid PRIMARY KEY,
    occurred_at   timestamptz NOT NULL,
    -- When a relay may take it. Leasing moves this ahead, so a lease ends by itself;
    -- 'infinity' while a published event is on its way back.
    due_at        timestamptz NOT NULL DEFAULT now(),
    hinted_at     timestamptz,
    lease         uuid,
    leases        integer NOT NULL DEFAULT 0 CHECK (leases >= 0), -- in a row without a word
    publishes     integer NOT NULL DEFAULT 0 CHECK (publishes >= 0),
    published_at  timestamptz,
    message_id    text,
    parked_at     timestamptz,
    CHECK ((published_at IS NULL) = (message_id IS NULL)),
    CHECK (parked_at IS NULL OR due_at = 'infinity')
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX outbox_due ON ops.outbox (due_at);
CREATE INDEX outbox_awaiting_return ON ops.outbox (published_at) WHERE published_at IS NOT NULL;

-- Whether publishing is paused because Pub/Sub does not take anything (one row).
CREATE TABLE ops.relay_breaker (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    opened_at timestamptz,
    probe_at  timestamptz,
    failures  integer NOT NULL DEFAULT 0,
    CHECK ((opened_at IS NULL) = (probe_at IS NULL))
);
INSERT INTO ops.relay_breaker DEFAULT VALUES;

-- Every event that came back, once. Partitioned and dropped like the events themselves.
CREATE TABLE ops.inbox (
    event_id     uuid NOT NULL,
    occurred_at  timestamptz NOT NULL,
    order_id     bigint NOT NULL,
    sequence     bigint NOT NULL,
    message_id   text,            -- null: an operator let the order pass over this event
    published_at timestamptz,
    publishes    integer NOT NULL DEFAULT 0,
    received_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (occurred_at, event_id)
) PARTITION BY RANGE (occurred_at);
CREATE INDEX inbox_received ON ops.inbox (received_at);

-- How far each order's events have come back without a gap.
CREATE TABLE ops.watermarks (
    order_id bigint PRIMARY KEY,
    sequence bigint NOT NULL DEFAULT 0 CHECK (sequence >= 0)
) WITH (fillfactor = 80);

-- Events that came back before an earlier one of their order did; few, and not for long.
CREATE TABLE ops.early_events (
    order_id bigint NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (order_id, sequence)
);

-- Makes the daily partitions of the events and the inbox from today to the given day.
CREATE FUNCTION ops.make_partitions(through date) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    day date;
    parent text;
    made integer := 0;
BEGIN
    FOR day IN SELECT generate_series((now() AT TIME ZONE 'UTC')::date - 1, through, interval '1 day')::date LOOP
        FOREACH parent IN ARRAY ARRAY['events', 'inbox'] LOOP
            IF to_regclass(format('ops.%I', parent || '_' || to_char(day, 'YYYYMMDD'))) IS NULL THEN
                EXECUTE format(
                    'CREATE TABLE IF NOT EXISTS ops.%I PARTITION OF ops.%I FOR VALUES FROM (%L) TO (%L)',
                    parent || '_' || to_char(day, 'YYYYMMDD'), parent,
                    day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
                made := made + 1;
            END IF;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;
DO $$ BEGIN PERFORM ops.make_partitions((now() AT TIME ZONE 'UTC')::date + 21); END $$;
