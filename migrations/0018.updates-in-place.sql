-- What is taken and then settled has room for its second version on its own page, so that taking it
-- makes no new index entries; and a table that grows is counted as soon as its plans depend on it.
-- depends: 0017.accept-costs-less

ALTER TABLE ops.consumptions SET (fillfactor = 50);
ALTER TABLE ops.outbox SET (fillfactor = 50);
ALTER TABLE ops.webhook_attempts SET (fillfactor = 50);
ALTER TABLE orders.order_processing SET (fillfactor = 50);

-- Plans that were made while a table was empty or tiny are made anew once it is counted; autovacuum
-- may take a minute, which is each midnight's first one. Waits for nobody.
CREATE FUNCTION ops.count_grown(rows bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    grown regclass;
    counted integer := 0;
BEGIN
    FOR grown IN
        SELECT oid
          FROM pg_class
         WHERE relnamespace IN ('ops'::regnamespace, 'orders'::regnamespace)
           AND relkind = 'r'
           AND reltuples < rows
           AND pg_stat_get_live_tuples(oid) >= rows
    LOOP
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s', grown);
        counted := counted + 1;
    END LOOP;
    RETURN counted;
END $$;
