-- What an endpoint is owed becomes due once it is enabled or moved, whoever dies meanwhile; and the
-- other contents that came for orders are listed from the newest on.
-- depends: 0023.what-operators-are-told

ALTER TABLE ops.webhook_endpoints
    -- What it is owed and is due until then is made due, from the latest on, and this moves down
    -- with it; nothing where that is done.
    ADD COLUMN due_until timestamptz;
CREATE INDEX conflicts_by_time ON orders.conflicts (last_at, order_id, content_hash);
