-- What carts hold of the stock, for a time. A cart is named weakly, by its uuid: foreign keys stay
-- inside the schema. Nothing old reads or writes this, so both versions run side by side.
-- depends: 0027.people-and-scopes

CREATE TABLE products.reservations (
    cart_uuid  uuid NOT NULL,
    product_id bigint NOT NULL REFERENCES products.stock (product_id),
    quantity   integer NOT NULL CHECK (quantity > 0),
    is_held    boolean NOT NULL DEFAULT true, -- false: it lapsed, others may have its units
    expires_at timestamptz NOT NULL,          -- 'infinity' once the cart is closed
    PRIMARY KEY (cart_uuid, product_id)
);
CREATE INDEX reservations_due ON products.reservations (expires_at)
 WHERE is_held AND expires_at < 'infinity';
