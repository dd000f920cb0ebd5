DROP TRIGGER append_only ON ops.audit_log;
CREATE TRIGGER append_only BEFORE UPDATE ON ops.audit_log
    FOR EACH ROW EXECUTE FUNCTION orders.refuse_change();
DROP FUNCTION ops.audit_row() CASCADE;
DROP FUNCTION ops.shown(text, jsonb);
