-- Consumptions are taken, done and settled many at once, and those that may have killed a worker go
-- alone. Wake-up messages are no longer noted in the rows. What is counted is appended and added up
-- later: whoever counts waits for nobody.
-- depends: 0015.heads-are-due

-- A suspect is one with crashes, in a column of its own: an index on "crashes > 0" is not used for NOT.
ALTER TABLE ops.consumptions
    ADD COLUMN crashes integer NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    ADD COLUMN is_suspect boolean NOT NULL DEFAULT false CHECK (is_suspect = (crashes > 0));
DROP INDEX ops.consumptions_due;
CREATE INDEX consumptions_due ON ops.consumptions (consumer, is_suspect, due_at)
    WHERE state = 'pending';
DROP INDEX ops.consumptions_hinted;
ALTER TABLE ops.consumptions DROP COLUMN hinted_at;
-- The same rule; a bounded repetition costs each new row a third of its insertion.
ALTER TABLE ops.consumptions
    DROP CONSTRAINT consumptions_consumer_check,
    ADD CONSTRAINT consumptions_consumer_check
        CHECK (consumer ~ '^[a-z_]+$' AND length(consumer) <= 100) NOT VALID;
ALTER TABLE ops.outbox DROP COLUMN hinted_at;

CREATE TABLE ops.counted (
    description text NOT NULL CHECK (description ~ '^[a-z_]{1,100}$'),
    more        bigint NOT NULL CHECK (more > 0)
);
