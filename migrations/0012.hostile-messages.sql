-- Messages nobody can read are kept with their bytes; an event whose payload is gone still has a place.
-- depends: 0011.held-is-derived

-- What came from a queue may name no actor and carry no arguments: then its bytes are all there is.
ALTER TABLE ops.dead_letters
    DROP CONSTRAINT dead_letters_check4,
    ADD CONSTRAINT dead_letters_message_check
        CHECK (kind <> 'message' OR data IS NOT NULL OR (actor IS NOT NULL AND arguments IS NOT NULL));

-- Ids are what senders say: only the same message under the same id is the same message again.
DROP INDEX ops.one_dead_letter_per_queue_message;
CREATE UNIQUE INDEX one_dead_letter_per_queue_message
    ON ops.dead_letters (message_id, md5(coalesce(actor, '') || ' ' || coalesce(arguments::text, '')))
    WHERE kind = 'message' AND resolved_at IS NULL;

-- Finds an event's order by the event's own moment. History only grows, in the order of time, so a
-- few pages for each day are enough, and intake pays nothing for them.
CREATE INDEX order_history_by_time ON orders.order_history
    USING brin (at) WITH (pages_per_range = 16, autosummarize = on);
