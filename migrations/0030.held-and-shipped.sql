-- The second axis of an order: what of it has left; whether somebody holds it, and why; why it was
-- cancelled, as a word; and what its owner notes on it. No row is rewritten, and code that knows
-- nothing of it goes on.
-- depends: 0029.reservations

ALTER TABLE orders.orders
    ADD COLUMN fulfillment_status text NOT NULL DEFAULT 'pending',
    ADD COLUMN on_hold boolean NOT NULL DEFAULT false,
    ADD COLUMN hold_reason text,
    ADD COLUMN cancel_cause text,
    ADD COLUMN metadata jsonb,
    ADD CONSTRAINT orders_fulfillment_status_check CHECK (fulfillment_status IN
        ('pending', 'partially_shipped', 'shipped', 'delivered', 'cancelled')) NOT VALID,
    ADD CONSTRAINT orders_hold_reason_check
        CHECK (hold_reason IS NULL OR (on_hold AND length(hold_reason) <= 2000)) NOT VALID,
    ADD CONSTRAINT orders_cancel_cause_check CHECK (cancel_cause IN
        ('customer', 'declined', 'fraud', 'inventory', 'staff', 'expired', 'other')) NOT VALID,
    ADD CONSTRAINT orders_metadata_check
        CHECK (jsonb_typeof(metadata) = 'object' AND length(metadata::text) <= 16000) NOT VALID;

-- How much of a line has left: never more than was ordered.
ALTER TABLE orders.order_items
    ADD COLUMN shipped integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT order_items_shipped_check CHECK (shipped BETWEEN 0 AND quantity) NOT VALID;

ALTER TABLE orders.moves
    ADD COLUMN axis text NOT NULL DEFAULT 'status',
    DROP CONSTRAINT moves_pkey,
    ADD PRIMARY KEY (axis, from_status, to_status);
INSERT INTO orders.moves (axis, from_status, to_status) VALUES
    ('fulfillment_status', 'pending', 'partially_shipped'),
    ('fulfillment_status', 'partially_shipped', 'partially_shipped'),
    ('fulfillment_status', 'pending', 'shipped'),
    ('fulfillment_status', 'partially_shipped', 'shipped'),
    ('fulfillment_status', 'shipped', 'delivered'),
    ('fulfillment_status', 'pending', 'cancelled'),
    ('fulfillment_status', 'cancelled', 'shipped'),
    ('on_hold', 'released', 'held'), ('on_hold', 'held', 'released');

CREATE FUNCTION orders.refuse_move(said text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', said USING ERRCODE = 'check_violation', CONSTRAINT = 'order_moves';
END $$;

CREATE OR REPLACE FUNCTION orders.guard_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> NEW.status THEN
        IF NOT EXISTS (SELECT FROM orders.moves
                        WHERE axis = 'status'
                          AND from_status = OLD.status AND to_status = NEW.status) THEN
            PERFORM orders.refuse_move(
                format('an order cannot go from %s to %s', OLD.status, NEW.status));
        END IF;
        IF NEW.status = 'cancelled' THEN
            -- Whoever cancels an order cancels what was to leave, and ends a hold: code that knows
            -- nothing of either does so, too.
            IF NEW.fulfillment_status = 'pending' THEN
                NEW.fulfillment_status := 'cancelled';
            END IF;
            NEW.on_hold := false;
            NEW.hold_reason := NULL;
            IF NEW.fulfillment_status <> 'cancelled' THEN
                PERFORM orders.refuse_move(
                    format('an order that is %s cannot go to cancelled', OLD.fulfillment_status));
            END IF;
        END IF;
    END IF;
    IF OLD.fulfillment_status <> NEW.fulfillment_status THEN
        IF NOT EXISTS (SELECT FROM orders.moves
                        WHERE axis = 'fulfillment_status' AND from_status = OLD.fulfillment_status
                          AND to_status = NEW.fulfillment_status) THEN
            PERFORM orders.refuse_move(format('an order cannot go from %s to %s',
                                              OLD.fulfillment_status, NEW.fulfillment_status));
        END IF;
        IF NEW.fulfillment_status = 'cancelled' AND NEW.status <> 'cancelled' THEN
            PERFORM orders.refuse_move(
                format('what an order that is %s has to ship cannot go to cancelled', NEW.status));
        END IF;
        IF NEW.fulfillment_status IN ('partially_shipped', 'shipped')
           AND (OLD.on_hold OR NEW.status = 'failed') THEN
            PERFORM orders.refuse_move(format('an order that is %s cannot go to %s',
                CASE WHEN OLD.on_hold THEN 'held' ELSE NEW.status END, NEW.fulfillment_status));
        END IF;
    END IF;
    IF NEW.on_hold AND NOT OLD.on_hold
       AND (NEW.status = 'cancelled'
            OR NEW.fulfillment_status NOT IN ('pending', 'partially_shipped')) THEN
        PERFORM orders.refuse_move(format('an order that is %s cannot go to held',
            CASE WHEN NEW.status = 'cancelled' THEN NEW.status ELSE NEW.fulfillment_status END));
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER guard_move ON orders.orders;
CREATE TRIGGER guard_move BEFORE UPDATE OF status, fulfillment_status, on_hold ON orders.orders
    FOR EACH ROW WHEN (OLD.status <> NEW.status
                       OR OLD.fulfillment_status <> NEW.fulfillment_status
                       OR OLD.on_hold <> NEW.on_hold)
    EXECUTE FUNCTION orders.guard_move();
