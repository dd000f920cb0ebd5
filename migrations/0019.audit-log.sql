-- Who did what by hand, and why; and what an endpoint may be given beside its address.
-- depends: 0018.updates-in-place

-- Holds no secret: storage.audit leaves out what could be used as one.
CREATE TABLE ops.audit_log (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT now(),
    actor        text NOT NULL CHECK (length(actor) BETWEEN 1 AND 200),
    action       text NOT NULL CHECK (action ~ '^[a-z_]+(\.[a-z_]+)+$'),
    subject_type text NOT NULL CHECK (subject_type ~ '^[a-z_]+$'),
    subject_id   text NOT NULL CHECK (length(subject_id) BETWEEN 1 AND 200),
    reason       text,
    before       jsonb,
    after        jsonb,
    request_id   text
);
CREATE INDEX audit_log_by_time ON ops.audit_log (at, id);
CREATE INDEX audit_log_by_actor ON ops.audit_log (actor, at, id);
CREATE INDEX audit_log_by_subject ON ops.audit_log (subject_id, at, id);
CREATE TRIGGER append_only BEFORE UPDATE ON ops.audit_log
    FOR EACH ROW EXECUTE FUNCTION orders.refuse_change();

ALTER TABLE ops.webhook_endpoints
    ADD COLUMN headers jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(headers) = 'object'),
    ADD COLUMN trace boolean NOT NULL DEFAULT false,
    -- Until then all secrets sign, from then on the first alone.
    ADD COLUMN old_secrets_until timestamptz,
    DROP CONSTRAINT webhook_endpoints_format_check,
    ADD CONSTRAINT webhook_endpoints_format_check
        CHECK (format IN ('compact', 'event', 'source1'));
