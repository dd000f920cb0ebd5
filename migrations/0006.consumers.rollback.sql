DROP TABLE ops.metrics;
DELETE FROM ops.dead_letters WHERE kind = 'consumption';
ALTER TABLE ops.dead_letters
    DROP COLUMN consumption_id,
    DROP CONSTRAINT dead_letters_kind_check,
    ADD CONSTRAINT dead_letters_kind_check
        CHECK (kind IN ('delivery', 'outbox', 'pubsub', 'message'));
DROP TABLE ops.consumptions;
ALTER TABLE ops.webhook_endpoints DROP COLUMN events;
DROP FUNCTION ops.fits;
