-- The role of the running system can neither drop a day that is younger than two days, nor set an
-- id back: what is done for it as the owner refuses that.
-- depends: 0038.made-by-the-owner

CREATE OR REPLACE FUNCTION ops.drop_day(day date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET lock_timeout = '100ms' SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Tables are named by year, month and day: one before Christ would name that of another year.
    IF (day BETWEEN '2000-01-01' AND (now() AT TIME ZONE 'UTC')::date - 2) IS NOT TRUE THEN
        RAISE EXCEPTION 'the day % is too young to go', day USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS ops.%I, ops.%I',
        'events_' || to_char(day, 'YYYYMMDD'), 'inbox_' || to_char(day, 'YYYYMMDD'));
END $$;

-- From the next id on, which is never below one that was given.
CREATE FUNCTION ops.move_ids_on(by bigint) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ids regclass;
    moved integer := 0;
BEGIN
    IF (by BETWEEN 1 AND 1000000) IS NOT TRUE THEN
        RAISE EXCEPTION 'ids do not move by %', by USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOR ids IN SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences
                WHERE schemaname IN ('ops', 'orders', 'identity', 'products') LOOP
        PERFORM setval(ids, nextval(ids) + by);
        moved := moved + 1;
    END LOOP;
    RETURN moved;
END $$;
REVOKE EXECUTE ON FUNCTION ops.move_ids_on(bigint) FROM PUBLIC;
