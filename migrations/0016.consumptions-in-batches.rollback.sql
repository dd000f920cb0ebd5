INSERT INTO ops.metrics AS metric (description, count)
SELECT description, sum(more) FROM ops.counted GROUP BY description
ON CONFLICT (description) DO UPDATE SET count = metric.count + excluded.count;
DROP TABLE ops.counted;

ALTER TABLE ops.consumptions
    DROP CONSTRAINT consumptions_consumer_check,
    ADD CONSTRAINT consumptions_consumer_check CHECK (consumer ~ '^[a-z_]{1,100}$') NOT VALID;
ALTER TABLE ops.outbox ADD COLUMN hinted_at timestamptz;
ALTER TABLE ops.consumptions ADD COLUMN hinted_at timestamptz;
CREATE INDEX consumptions_hinted ON ops.consumptions (consumer, hinted_at)
    WHERE state = 'pending' AND hinted_at IS NOT NULL;
-- What its workers charged as an attempt.
UPDATE ops.consumptions SET attempts = attempts + crashes WHERE crashes > 0;
DROP INDEX ops.consumptions_due;
ALTER TABLE ops.consumptions DROP COLUMN is_suspect, DROP COLUMN crashes;
CREATE INDEX consumptions_due ON ops.consumptions (consumer, due_at) WHERE state = 'pending';
