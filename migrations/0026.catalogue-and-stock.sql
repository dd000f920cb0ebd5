-- The catalogue, and the stock of what is in it: five counters for each product, and the movements
-- that they can be added up from again. Foreign keys stay inside the schema, but for that of the
-- movements to orders: what is owed to an order has to be found.
-- depends: 0025.orders-of-messages

CREATE SCHEMA products;

CREATE TABLE products.categories (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug      text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(slug) <= 100),
    name      text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    parent_id bigint REFERENCES products.categories (id) CHECK (parent_id < id)  -- so: no circle
);
CREATE INDEX categories_by_parent ON products.categories (parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE products.products (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid       uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    sku        text NOT NULL UNIQUE CHECK (length(sku) BETWEEN 1 AND 100),
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    description text NOT NULL DEFAULT '' CHECK (length(description) <= 10000),
    price      numeric(10, 2) NOT NULL CHECK (price >= 0),
    active     boolean NOT NULL DEFAULT true,     -- what is not can be sold no more
    version    bigint NOT NULL DEFAULT 1,         -- one more for each change
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    words      tsvector NOT NULL GENERATED ALWAYS AS   -- what is searched
               (to_tsvector('simple', name || ' ' || sku || ' ' || description)) STORED
);
CREATE INDEX products_active ON products.products (id) WHERE active;
CREATE INDEX products_inactive ON products.products (id) WHERE NOT active;
CREATE INDEX products_by_name ON products.products (name, id);
CREATE INDEX products_by_price ON products.products (price, id);
CREATE INDEX products_by_word ON products.products USING gin (words);

-- A product is in the categories that were chosen for it, and in all above them.
CREATE TABLE products.product_categories (
    product_id  bigint NOT NULL REFERENCES products.products (id) ON DELETE CASCADE,
    category_id bigint NOT NULL REFERENCES products.categories (id),
    is_chosen   boolean NOT NULL,
    PRIMARY KEY (product_id, category_id)
);
CREATE INDEX product_categories_by_category ON products.product_categories (category_id, product_id);

-- A row for each product. Whoever changes more than one locks them by product_id, ascending.
CREATE TABLE products.stock (
    product_id      bigint PRIMARY KEY REFERENCES products.products (id),
    on_hand         integer NOT NULL DEFAULT 0 CHECK (on_hand >= 0),   -- in the house
    reserved        integer NOT NULL DEFAULT 0 CHECK (reserved >= 0),  -- for carts, for a time
    allocated       integer NOT NULL DEFAULT 0 CHECK (allocated >= 0), -- to orders, until they leave
    shipped         bigint NOT NULL DEFAULT 0 CHECK (shipped >= 0),    -- left with orders, ever
    backorder_limit integer NOT NULL DEFAULT 0 CHECK (backorder_limit >= 0), -- sold beyond on_hand
    available       integer NOT NULL GENERATED ALWAYS AS (on_hand - reserved - allocated) STORED,
    -- Of the counters no index knows: an update stays in its page unless this turns.
    in_stock        boolean NOT NULL GENERATED ALWAYS AS (on_hand - reserved - allocated > 0) STORED,
    version         bigint NOT NULL DEFAULT 1,
    CONSTRAINT never_oversold CHECK (on_hand - reserved - allocated >= -backorder_limit)
) WITH (fillfactor = 70);
CREATE INDEX stock_in_stock ON products.stock (product_id) WHERE in_stock;
CREATE INDEX stock_sold_out ON products.stock (product_id) WHERE NOT in_stock;

-- What was moved, why and by whom: the sum of each column is the counter of its name.
CREATE TABLE products.stock_movements (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id bigint NOT NULL REFERENCES products.stock (product_id),
    kind       text NOT NULL CHECK (kind IN ('counted', 'received', 'removed', 'reserved', 'released',
                                             'allocated', 'bought', 'returned', 'shipped',
                                             'set_aside', 'sent', 'sent_aside')),
    on_hand    integer NOT NULL,
    reserved   integer NOT NULL,
    allocated  integer NOT NULL,
    shipped    integer NOT NULL,
    order_id   bigint REFERENCES orders.orders (id),
    cart_uuid  uuid,
    actor      text NOT NULL CHECK (length(actor) BETWEEN 1 AND 200),
    reason     text CHECK (length(reason) BETWEEN 1 AND 2000),
    request_id text,
    at         timestamptz NOT NULL DEFAULT now(),
    CHECK ((on_hand, reserved, allocated, shipped) <> (0, 0, 0, 0)),
    CHECK (kind NOT IN ('counted', 'removed') OR reason IS NOT NULL),
    CHECK ((kind IN ('allocated', 'bought', 'returned', 'shipped')) = (order_id IS NOT NULL)),
    CHECK ((kind IN ('reserved', 'released', 'bought')) = (cart_uuid IS NOT NULL))
);
CREATE INDEX stock_movements_by_product ON products.stock_movements (product_id, id);
CREATE INDEX stock_movements_by_order ON products.stock_movements (order_id, id)
 WHERE order_id IS NOT NULL;
CREATE INDEX stock_movements_set_aside ON products.stock_movements (product_id, reserved)
 WHERE kind IN ('set_aside', 'sent_aside');
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON products.stock_movements
    FOR EACH ROW EXECUTE FUNCTION orders.refuse_change();
