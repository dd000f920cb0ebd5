-- The life of an order: the cart it may come from, its moves, its processing.
-- depends: 0006.consumers

-- A cart has an id of the orders' sequence: its events stand in a line of their own in ops.events,
-- whose order_id, order_public_id and order_created_at are then those of the cart.
CREATE TABLE orders.carts (
    id           bigint PRIMARY KEY DEFAULT nextval('orders.orders_id_seq'),
    uuid         uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    total_amount numeric(10, 2) NOT NULL CHECK (total_amount >= 0),
    items        jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(items) = 'array'),
    created_at   timestamptz NOT NULL DEFAULT now(),
    closed_at    timestamptz
);

ALTER TABLE orders.orders
    DROP CONSTRAINT orders_source_check,
    DROP CONSTRAINT orders_customer_name_check,
    DROP CONSTRAINT orders_customer_email_check,
    DROP CONSTRAINT orders_shipping_address_check,
    ADD COLUMN cart_uuid uuid UNIQUE REFERENCES orders.carts (uuid),
    ADD COLUMN customer_ref text CHECK (length(customer_ref) BETWEEN 1 AND 255),
    ADD COLUMN status text NOT NULL DEFAULT 'created',
    ADD COLUMN status_reason text CHECK (length(status_reason) <= 2000),
    -- Some doors do not ask for a customer or an address; theirs are empty.
    ADD CONSTRAINT orders_source_check CHECK (source IN ('webhook', 'api', 'cart')),
    ADD CONSTRAINT orders_customer_name_check CHECK (length(customer_name) <= 255),
    ADD CONSTRAINT orders_customer_email_check CHECK (length(customer_email) <= 254),
    ADD CONSTRAINT orders_shipping_address_check CHECK (length(shipping_address) <= 2000),
    ADD CONSTRAINT orders_status_check
        CHECK (status IN ('created', 'in_progress', 'completed', 'failed', 'cancelled')),
    ADD CHECK ((source = 'cart') = (cart_uuid IS NOT NULL));
CREATE INDEX orders_of_customer ON orders.orders (customer_email, id) WHERE customer_email <> '';
CREATE INDEX orders_of_customer_ref ON orders.orders (customer_ref, id)
    WHERE customer_ref IS NOT NULL;
CREATE INDEX orders_that_went_wrong ON orders.orders (status, id)
    WHERE status IN ('failed', 'cancelled');

-- From which status to which an order may go. orderbus.domain.states says what each move is called.
CREATE TABLE orders.moves (
    from_status text NOT NULL,
    to_status   text NOT NULL,
    PRIMARY KEY (from_status, to_status)
);
INSERT INTO orders.moves VALUES
    ('created', 'in_progress'), ('created', 'failed'), ('created', 'cancelled'),
    ('in_progress', 'completed'), ('in_progress', 'failed'), ('in_progress', 'cancelled'),
    ('failed', 'in_progress'), ('failed', 'cancelled'),
    ('completed', 'cancelled');

CREATE FUNCTION orders.guard_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM orders.moves
                    WHERE from_status = OLD.status AND to_status = NEW.status) THEN
        RAISE EXCEPTION 'an order cannot go from % to %', OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'order_moves';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_move BEFORE UPDATE OF status ON orders.orders
    FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION orders.guard_move();

CREATE TABLE orders.order_processing (
    order_id      bigint PRIMARY KEY REFERENCES orders.orders (id) ON DELETE CASCADE,
    status        text NOT NULL CHECK (status IN ('PENDING', 'PROCESSING', 'SUCCESS', 'FAILED')),
    -- The order's event that began it: one try at the order, however often its worker dies.
    began_with    bigint NOT NULL,
    attempts      integer NOT NULL DEFAULT 1 CHECK (attempts >= 1),
    amount        numeric(10, 2) CHECK (amount >= 0),
    error_message text,
    started_at    timestamptz NOT NULL DEFAULT now(),
    processed_at  timestamptz,
    CHECK ((processed_at IS NOT NULL) = (status IN ('SUCCESS', 'FAILED')))
);

-- Answers to requests that carried an Idempotency-Key; written with what they answer for.
CREATE TABLE ops.idempotency_keys (
    scope       text NOT NULL,
    key         text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    fingerprint bytea NOT NULL,
    status      integer,
    headers     jsonb,
    body        bytea,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_by_age ON ops.idempotency_keys (created_at);
