-- Of an order's deliveries to an endpoint only the first is due; the others wait for it, with
-- due_at at infinity, and cost nobody anything. Wake-up messages are no longer noted in the rows.
-- depends: 0014.request-ids

-- What ops.may_go says, of all rows at once: asked of each, a million would take minutes.
UPDATE ops.webhook_deliveries AS delivery
   SET due_at = 'infinity'
  FROM (SELECT id, endpoint_id, order_id, sequence,
               min(sequence) OVER (PARTITION BY order_id, endpoint_id) AS first
          FROM ops.webhook_deliveries
         WHERE state = 'pending') AS pending
  JOIN ops.webhook_endpoints AS endpoint ON endpoint.id = pending.endpoint_id
  LEFT JOIN ops.watermarks ON watermarks.order_id = pending.order_id
 WHERE delivery.id = pending.id
   AND delivery.lease IS NULL
   AND endpoint.ordering <> 'none'
   AND (pending.sequence > pending.first
        OR pending.sequence > coalesce(watermarks.sequence, 0));
DROP INDEX ops.deliveries_hinted;
DROP INDEX ops.deliveries_nobody_was_told_of;
ALTER TABLE ops.webhook_deliveries DROP COLUMN hinted_at;
