DROP INDEX ops.dead_letters_of_messages;
DROP FUNCTION ops.order_of_message(jsonb);
