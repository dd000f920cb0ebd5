-- What a sender wanted an order to be that is there with another content; and what was drawn for an
-- order that is processed at random, so that whoever goes on with it draws the same.
-- depends: 0020.deliveries-by-hand

-- One row for each other content: a sender that repeats it for ever is counted in that row. An
-- order has so many of them at most (orderbus.storage.conflicts).
CREATE TABLE orders.conflicts (
    order_id     bigint NOT NULL REFERENCES orders.orders (id) ON DELETE CASCADE,
    -- Of the content that was not taken; the order's own is in orders.orders.
    content_hash bytea NOT NULL,
    total        numeric(10, 2) NOT NULL,
    lines        integer NOT NULL,
    -- What its sender was told last: no, or yes, although the first one was kept.
    answered     text NOT NULL CHECK (answered IN ('refused', 'kept_first')),
    actor        text NOT NULL,
    request_id   text,
    times        bigint NOT NULL DEFAULT 1 CHECK (times >= 1),
    first_at     timestamptz NOT NULL DEFAULT now(),
    last_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, content_hash)
);

-- Whether the processor "random" says yes; nothing where another one is at work.
ALTER TABLE orders.order_processing ADD COLUMN drawn boolean;
