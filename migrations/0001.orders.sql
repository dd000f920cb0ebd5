-- Orders: what was ordered, and what became of each order.
-- depends:

CREATE SCHEMA orders;

CREATE TABLE orders.orders (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id        uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    source           text NOT NULL CHECK (source IN ('webhook')),
    external_ref     text NOT NULL CHECK (length(external_ref) BETWEEN 1 AND 255),
    idempotency_key  text CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    content_hash     bytea NOT NULL CHECK (length(content_hash) = 32),
    customer_name    text NOT NULL CHECK (length(customer_name) BETWEEN 1 AND 255),
    customer_email   text NOT NULL CHECK (length(customer_email) BETWEEN 1 AND 254),
    shipping_address text NOT NULL CHECK (length(shipping_address) BETWEEN 1 AND 2000),
    total            numeric(10, 2) NOT NULL CHECK (total >= 0),
    -- The last sequence number given to an event of this order; moved under this row's lock only.
    event_seq        bigint NOT NULL CHECK (event_seq >= 1),
    created_at       timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT one_order_per_reference UNIQUE (source, external_ref),
    CONSTRAINT one_order_per_idempotency_key UNIQUE (source, idempotency_key)
);
CREATE INDEX orders_by_reference ON orders.orders (external_ref);

CREATE TABLE orders.order_items (
    order_id   bigint NOT NULL REFERENCES orders.orders (id) ON DELETE CASCADE,
    line       integer NOT NULL CHECK (line >= 1),
    sku        text NOT NULL CHECK (length(sku) BETWEEN 1 AND 100),
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    quantity   integer NOT NULL CHECK (quantity > 0),
    unit_price numeric(10, 2) NOT NULL CHECK (unit_price >= 0),
    PRIMARY KEY (order_id, line)
);

-- Who did what to an order, and when. Kept as long as the order; never changed.
CREATE TABLE orders.order_history (
    order_id bigint NOT NULL REFERENCES orders.orders (id) ON DELETE CASCADE,
    sequence bigint NOT NULL CHECK (sequence >= 1),
    event_id uuid NOT NULL,
    type     text NOT NULL CHECK (type ~ '^[a-z_]+(\.[a-z_]+)+$'),
    actor    text NOT NULL,
    at       timestamptz NOT NULL,
    details  jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (order_id, sequence)
);

CREATE FUNCTION orders.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE ON orders.order_history
    FOR EACH ROW EXECUTE FUNCTION orders.refuse_change();
