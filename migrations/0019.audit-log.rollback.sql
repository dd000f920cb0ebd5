-- The version before cannot write this format, and another body would deceive the receiver.
UPDATE ops.webhook_endpoints
   SET format = 'event',
       disabled_at = coalesce(disabled_at, now()),
       disabled_reason = coalesce(disabled_reason, 'its format source1 was rolled back')
 WHERE format = 'source1' AND removed_at IS NULL;
UPDATE ops.webhook_endpoints SET format = 'event' WHERE format = 'source1';
UPDATE ops.webhook_endpoints SET secrets = secrets[1:1] WHERE old_secrets_until <= now();
ALTER TABLE ops.webhook_endpoints
    DROP CONSTRAINT webhook_endpoints_format_check,
    ADD CONSTRAINT webhook_endpoints_format_check CHECK (format IN ('compact', 'event')),
    DROP COLUMN old_secrets_until,
    DROP COLUMN trace,
    DROP COLUMN headers;
DROP TABLE ops.audit_log;
