-- Consumers: each kind of work gets each event it wants, and has its effect once.
-- depends: 0005.dead-messages

-- Whether a type of event fits one of the patterns, in which * stands for one or more words:
-- order.created, order.*, *.created, *.
CREATE FUNCTION ops.fits(type text, patterns text[]) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT type ~ ANY (SELECT '^' || replace(replace(pattern, '.', '\.'), '*',
                                             '[a-z_]+(\.[a-z_]+)*') || '$'
                         FROM unnest(patterns) AS pattern)
$$;

-- The built-in endpoint gets what it was made for: that an order was created.
ALTER TABLE ops.webhook_endpoints
    ADD COLUMN events text[] NOT NULL DEFAULT '{order.*}'
        CHECK (cardinality(events) BETWEEN 1 AND 20);
UPDATE ops.webhook_endpoints SET events = '{order.created}' WHERE built_in;

CREATE TABLE ops.consumptions (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer     text NOT NULL CHECK (consumer ~ '^[a-z_]{1,100}$'),
    event_id     uuid NOT NULL,
    occurred_at  timestamptz NOT NULL,
    state        text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'dead')),
    attempts     integer NOT NULL DEFAULT 0 CHECK (attempts >= 0), -- counted at claim
    due_at       timestamptz NOT NULL DEFAULT now(),
    hinted_at    timestamptz,
    lease        uuid,
    leased_until timestamptz,
    error        text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    settled_at   timestamptz,
    UNIQUE (event_id, consumer),
    CHECK ((lease IS NULL) = (leased_until IS NULL)),
    CHECK (lease IS NULL OR state = 'pending'),
    CHECK ((settled_at IS NULL) = (state = 'pending'))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX consumptions_due ON ops.consumptions (consumer, due_at) WHERE state = 'pending';
CREATE INDEX consumptions_hinted ON ops.consumptions (consumer, hinted_at)
    WHERE state = 'pending' AND hinted_at IS NOT NULL;
CREATE INDEX consumptions_by_age ON ops.consumptions (occurred_at);

ALTER TABLE ops.dead_letters
    ADD COLUMN consumption_id bigint REFERENCES ops.consumptions (id),
    DROP CONSTRAINT dead_letters_kind_check,
    ADD CONSTRAINT dead_letters_kind_check
        CHECK (kind IN ('delivery', 'outbox', 'pubsub', 'message', 'consumption')),
    ADD CHECK ((kind = 'consumption') = (consumption_id IS NOT NULL));
CREATE UNIQUE INDEX one_open_dead_letter_per_consumption ON ops.dead_letters (consumption_id)
    WHERE resolved_at IS NULL AND kind = 'consumption';

-- What is counted from events, exactly: a count moves in the transaction that consumes its event.
CREATE TABLE ops.metrics (
    uuid        uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    description text NOT NULL UNIQUE CHECK (description ~ '^[a-z_]{1,100}$'),
    count       bigint NOT NULL DEFAULT 0 CHECK (count >= 0)
);
