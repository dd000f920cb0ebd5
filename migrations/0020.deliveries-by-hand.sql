-- What a person decided about a delivery: who skipped it or had it sent once more, and why; and the
-- deliveries that were given up are found without reading those that were made.
-- depends: 0019.audit-log

ALTER TABLE ops.webhook_deliveries
    ADD COLUMN decided_by text,
    ADD COLUMN decided_reason text,
    ADD COLUMN resent_at timestamptz;

-- None of what goes well is in them, so they cost the way of an order nothing.
CREATE INDEX deliveries_dead ON ops.webhook_deliveries (settled_at, id) WHERE state = 'dead';
CREATE INDEX deliveries_given_up ON ops.webhook_deliveries (settled_at, id)
    WHERE state IN ('dead', 'skipped');
