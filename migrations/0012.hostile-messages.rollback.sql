DROP INDEX orders.order_history_by_time;
DROP INDEX ops.one_dead_letter_per_queue_message;
-- No letter is lost: what shares its id with another gets one of its own, what is unreadable says so.
UPDATE ops.dead_letters AS letter
   SET message_id = message_id || ':' || id
 WHERE kind = 'message'
   AND EXISTS (SELECT FROM ops.dead_letters AS earlier
                WHERE earlier.kind = 'message' AND earlier.message_id = letter.message_id
                  AND earlier.id < letter.id);
UPDATE ops.dead_letters
   SET actor = coalesce(actor, 'unknown'), arguments = coalesce(arguments, '{"args": [], "kwargs": {}}')
 WHERE kind = 'message';
CREATE UNIQUE INDEX one_dead_letter_per_queue_message ON ops.dead_letters (message_id)
    WHERE kind = 'message';
ALTER TABLE ops.dead_letters
    DROP CONSTRAINT dead_letters_message_check,
    ADD CONSTRAINT dead_letters_check4
        CHECK (kind <> 'message' OR (actor IS NOT NULL AND arguments IS NOT NULL));
