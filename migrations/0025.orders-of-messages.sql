-- Which order a message is about that Pub/Sub gave up: it says so itself, if it is one of ours.
-- depends: 0024.released-in-steps

CREATE FUNCTION ops.order_of_message(attributes jsonb) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN attributes ->> 'ce-subject' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                THEN (attributes ->> 'ce-subject')::uuid END
$$;
CREATE INDEX dead_letters_of_messages ON ops.dead_letters (ops.order_of_message(attributes), id)
 WHERE kind = 'pubsub' AND resolved_at IS NULL;
