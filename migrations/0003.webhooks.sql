-- Webhooks: who wants to know, what each is owed, and every attempt to tell them.
-- depends: 0002.outbox

CREATE TABLE ops.webhook_endpoints (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    url             text NOT NULL CHECK (length(url) BETWEEN 1 AND 2000),
    secrets         text[] NOT NULL CHECK (cardinality(secrets) BETWEEN 1 AND 5),
    format          text NOT NULL CHECK (format IN ('compact', 'event')),
    ordering        text NOT NULL DEFAULT 'order' CHECK (ordering IN ('order', 'none')),
    built_in        boolean NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL DEFAULT now(),
    disabled_at     timestamptz,
    disabled_reason text,
    removed_at      timestamptz,
    CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
);
CREATE UNIQUE INDEX one_built_in_endpoint ON ops.webhook_endpoints (built_in)
    WHERE built_in AND removed_at IS NULL;

CREATE TABLE ops.webhook_deliveries (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint_id  uuid NOT NULL REFERENCES ops.webhook_endpoints (id),
    event_id     uuid NOT NULL,
    occurred_at  timestamptz NOT NULL,
    order_id     bigint NOT NULL,
    sequence     bigint NOT NULL,
    state        text NOT NULL DEFAULT 'pending'
                 CHECK (state IN ('pending', 'held', 'delivered', 'dead', 'skipped')),
    attempts     integer NOT NULL DEFAULT 0 CHECK (attempts >= 0), -- counted at claim
    crashes      integer NOT NULL DEFAULT 0 CHECK (crashes >= 0),  -- claims in a row without a result
    claims       integer NOT NULL DEFAULT 0 CHECK (claims >= 0),   -- numbers the attempts' rows
    due_at       timestamptz NOT NULL DEFAULT now(),
    hinted_at    timestamptz,
    lease        uuid,
    leased_until timestamptz,
    first_sent_at timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    settled_at   timestamptz,
    UNIQUE (event_id, endpoint_id),
    CHECK ((lease IS NULL) = (leased_until IS NULL)),
    CHECK (lease IS NULL OR state IN ('pending', 'held')),
    CHECK ((settled_at IS NOT NULL) = (state IN ('delivered', 'dead', 'skipped')))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
-- The line of one order at one endpoint: its head is the open delivery with the least sequence.
CREATE INDEX deliveries_in_line ON ops.webhook_deliveries (order_id, endpoint_id, sequence)
    WHERE state IN ('pending', 'held');
CREATE INDEX deliveries_due ON ops.webhook_deliveries (due_at) WHERE state = 'pending';
CREATE INDEX deliveries_in_flight ON ops.webhook_deliveries (endpoint_id) WHERE lease IS NOT NULL;
CREATE INDEX deliveries_nobody_was_told_of ON ops.webhook_deliveries (endpoint_id, due_at)
    WHERE state = 'pending' AND hinted_at IS NULL;
CREATE INDEX deliveries_hinted ON ops.webhook_deliveries (hinted_at)
    WHERE state = 'pending' AND hinted_at IS NOT NULL;

-- No earlier delivery of the same order to the same endpoint is open.
CREATE FUNCTION ops.is_head(delivery ops.webhook_deliveries) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT NOT EXISTS (
        SELECT FROM ops.webhook_deliveries AS earlier
         WHERE earlier.order_id = delivery.order_id
           AND earlier.endpoint_id = delivery.endpoint_id
           AND earlier.sequence < delivery.sequence
           AND earlier.state IN ('pending', 'held'))
$$;

CREATE FUNCTION ops.gave_order_up(delivery ops.webhook_deliveries) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT ordering = 'none' FROM ops.webhook_endpoints WHERE id = delivery.endpoint_id
$$;

-- Order per order and endpoint: a delivery may go when every event before it has come back (the
-- watermark) and none of them is still open at this endpoint; unless the endpoint gave order up.
CREATE FUNCTION ops.may_go(delivery ops.webhook_deliveries) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT delivery.sequence <= (SELECT sequence FROM ops.watermarks
                                  WHERE order_id = delivery.order_id)
           AND ops.is_head(delivery)
           OR ops.gave_order_up(delivery)
$$;

CREATE TABLE ops.webhook_attempts (
    delivery_id bigint NOT NULL REFERENCES ops.webhook_deliveries (id) ON DELETE CASCADE,
    number      integer NOT NULL CHECK (number >= 1),
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,            -- null: in flight, or its worker died: nobody knows
    outcome     text CHECK (outcome IN ('delivered', 'failed', 'not_charged', 'unknown')),
    status      integer,
    error       text,
    detail      text,
    address     text,
    head        bytea,
    PRIMARY KEY (delivery_id, number),
    CHECK ((finished_at IS NULL) = (outcome IS NULL))
);

-- What cannot go on, with its reason. A row stays until a person says what becomes of it.
CREATE TABLE ops.dead_letters (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('delivery', 'outbox', 'pubsub', 'message')),
    reason      text NOT NULL,
    error       text NOT NULL,
    traceback   text,
    delivery_id bigint REFERENCES ops.webhook_deliveries (id),
    event_id    uuid,
    occurred_at timestamptz,
    actor       text,
    arguments   jsonb,
    data        bytea,
    attributes  jsonb,
    message_id  text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    resolution  text CHECK (resolution IN ('redriven', 'discarded')),
    note        text,
    CHECK ((resolved_at IS NULL) = (resolution IS NULL)),
    CHECK ((kind = 'delivery') = (delivery_id IS NOT NULL)),
    CHECK (kind <> 'outbox' OR event_id IS NOT NULL),
    CHECK (kind <> 'pubsub' OR data IS NOT NULL),
    CHECK (kind <> 'message' OR (actor IS NOT NULL AND arguments IS NOT NULL))
);
CREATE INDEX dead_letters_open ON ops.dead_letters (kind, id) WHERE resolved_at IS NULL;
CREATE UNIQUE INDEX one_open_dead_letter_per_delivery ON ops.dead_letters (delivery_id)
    WHERE resolved_at IS NULL AND kind = 'delivery';
CREATE UNIQUE INDEX one_open_dead_letter_per_pointer ON ops.dead_letters (event_id)
    WHERE resolved_at IS NULL AND kind = 'outbox';
CREATE UNIQUE INDEX one_dead_letter_per_pubsub_message ON ops.dead_letters (message_id)
    WHERE kind = 'pubsub';
