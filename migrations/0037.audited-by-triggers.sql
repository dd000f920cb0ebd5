-- Whatever changes people, keys, the catalogue or an endpoint, by whatever way, is in the trail.
-- depends: 0036.lines-of-jobs

-- How a value is shown: of what could be used as a secret, only that it was there. Of headers the
-- names; of URLs neither user nor query.
CREATE FUNCTION ops.shown(named text, value jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said text;
BEGIN
    IF value = 'null' THEN
        RETURN value;
    ELSIF named ~ '(secrets?|passw[a-z]*|hash|key|token)$' THEN
        RETURN '"(hidden)"';
    ELSIF named = 'headers' THEN
        RETURN (SELECT coalesce(jsonb_agg(header ORDER BY header), '[]')
                  FROM jsonb_object_keys(value) AS header);
    ELSIF jsonb_typeof(value) <> 'string' THEN
        RETURN value;
    END IF;
    said := regexp_replace(value #>> '{}', '(whsec|obk)_[\w+/=-]*', '(hidden)', 'g');
    said := regexp_replace(
        said, '(https?://)(?:[^/?#\s@]*@)?([^?#\s]*)\?[^#\s]*', '\1\2?(hidden)', 'gi');
    RETURN to_jsonb(regexp_replace(said, '(https?://)[^/?#\s@]*@', '\1', 'gi'));
END $$;

-- Writes an entry for a changed row: of which kind of subject, by which column it is named, which
-- columns say who somebody is (that they changed is shown, no value), which are not shown at all.
-- Who acts, what they call it and why is said within the transaction (see storage.audit); nobody
-- who says nothing is unknown: then it is the role of the database that acts.
CREATE FUNCTION ops.audit_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    subject text := TG_ARGV[0];
    personal text[] := TG_ARGV[2];
    ignored text[] := TG_ARGV[3];
    was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    now_is jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    subject_key text := coalesce(now_is, was) ->> TG_ARGV[1];
    who text := coalesce(nullif(current_setting('orderbus.actor', true), ''),
                         'database:' || session_user);
    act text := nullif(current_setting('orderbus.action', true), '');
    why text := nullif(current_setting('orderbus.reason', true), '');
    names text[];
    shown_before jsonb;
    shown_after jsonb;
BEGIN
    SELECT array_agg(name) INTO names
      FROM jsonb_object_keys(coalesce(now_is, was)) AS name
     WHERE name <> ALL (ignored)
       AND (TG_OP <> 'UPDATE' OR was -> name IS DISTINCT FROM now_is -> name);
    IF names IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT jsonb_object_agg(name, CASE WHEN name = ANY (personal) AND was -> name <> 'null'
                                       THEN '"(hidden)"' ELSE ops.shown(name, was -> name) END)
               FILTER (WHERE was IS NOT NULL),
           jsonb_object_agg(name, CASE WHEN name = ANY (personal) AND now_is -> name <> 'null'
                                       THEN '"(hidden)"' ELSE ops.shown(name, now_is -> name) END)
               FILTER (WHERE now_is IS NOT NULL)
      INTO shown_before, shown_after
      FROM unnest(names) AS name;
    -- What an act is called belongs to its subject; other rows change because of it.
    IF act IS NULL OR split_part(act, '.', 1) <> subject THEN
        act := subject || CASE TG_OP WHEN 'INSERT' THEN '.added' WHEN 'UPDATE' THEN '.changed'
                                     ELSE '.removed' END;
    END IF;
    INSERT INTO ops.audit_log
           (actor, action, subject_type, subject_id, reason, before, after, request_id)
    VALUES (CASE WHEN who = subject THEN who || ' ' || subject_key ELSE who END, act, subject,
            subject_key, why, shown_before, shown_after,
            nullif(current_setting('orderbus.request_id', true), ''));
    RETURN NULL;
END $$;

-- Sessions and counted tries are no facts about people: they come and go by themselves.
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON identity.users FOR EACH ROW
    EXECUTE FUNCTION ops.audit_row('user', 'id', '{username,email,first_name,last_name}', '{}');
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON identity.customers FOR EACH ROW
    EXECUTE FUNCTION ops.audit_row('customer', 'uuid', '{}', '{}');
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON identity.password_resets FOR EACH ROW
    EXECUTE FUNCTION ops.audit_row('password_reset', 'user_id', '{}', '{}');
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON identity.api_keys FOR EACH ROW
    EXECUTE FUNCTION ops.audit_row('api_key', 'id', '{}', '{last_used_at}');
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON products.products FOR EACH ROW
    EXECUTE FUNCTION ops.audit_row('product', 'id', '{}', '{words,updated_at}');
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON products.categories FOR EACH ROW
    EXECUTE FUNCTION ops.audit_row('category', 'id', '{}', '{}');
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON products.product_categories FOR EACH ROW
    EXECUTE FUNCTION ops.audit_row('product_category', 'product_id', '{}', '{}');
CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON ops.webhook_endpoints FOR EACH ROW
    EXECUTE FUNCTION ops.audit_row('endpoint', 'id', '{}', '{due_until}');

-- The trail of counters are the movements. What they do not show is how far a product may be sold
-- beyond what is there; of a row that keeps that nothing is called, however much is sold.
CREATE TRIGGER audited_when_changed AFTER UPDATE ON products.stock FOR EACH ROW
    WHEN (OLD.backorder_limit <> NEW.backorder_limit)
    EXECUTE FUNCTION ops.audit_row('stock', 'product_id', '{}',
        '{on_hand,reserved,allocated,shipped,available,in_stock,version}');
CREATE TRIGGER audited AFTER INSERT OR DELETE ON products.stock FOR EACH ROW
    EXECUTE FUNCTION ops.audit_row('stock', 'product_id', '{}',
        '{on_hand,reserved,allocated,shipped,available,in_stock,version}');

DROP TRIGGER append_only ON ops.audit_log;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ops.audit_log
    FOR EACH ROW EXECUTE FUNCTION orders.refuse_change();
