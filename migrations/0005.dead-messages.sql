-- A message whose worker died between its burial and its acknowledgement is buried once.
-- depends: 0004.api-keys

CREATE UNIQUE INDEX one_dead_letter_per_queue_message ON ops.dead_letters (message_id)
    WHERE kind = 'message';
