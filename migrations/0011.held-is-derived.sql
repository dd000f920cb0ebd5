-- A delivery is held because its endpoint is disabled, and nothing is written down about it twice.
-- depends: 0010.watermarks-are-a-cache

UPDATE ops.webhook_deliveries SET state = 'pending', hinted_at = NULL WHERE state = 'held';

-- A process of the version before goes on writing "held" until it is replaced.
CREATE FUNCTION ops.never_held() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.state := 'pending';
    RETURN NEW;
END $$;
CREATE TRIGGER never_held BEFORE INSERT OR UPDATE OF state ON ops.webhook_deliveries
    FOR EACH ROW WHEN (NEW.state = 'held') EXECUTE FUNCTION ops.never_held();

-- What each endpoint is owed, so that what waits for a disabled one is passed over by the rest.
CREATE INDEX deliveries_owed ON ops.webhook_deliveries (endpoint_id, due_at)
    WHERE state = 'pending';
DROP INDEX ops.deliveries_due;
