-- Of an order's deliveries to an endpoint only the first is due; the others wait for it, with
-- due_at at infinity, and cost nobody anything. Wake-up messages are no longer noted in the rows.
-- depends: 0014.request-ids

UPDATE ops.webhook_deliveries AS delivery
   SET due_at = 'infinity'
 WHERE state = 'pending' AND lease IS NULL AND ops.may_go(delivery) IS NOT TRUE;
DROP INDEX ops.deliveries_hinted;
DROP INDEX ops.deliveries_nobody_was_told_of;
ALTER TABLE ops.webhook_deliveries DROP COLUMN hinted_at;
