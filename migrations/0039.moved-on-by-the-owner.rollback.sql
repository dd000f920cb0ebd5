DROP FUNCTION ops.move_ids_on;

CREATE OR REPLACE FUNCTION ops.drop_day(day date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET lock_timeout = '100ms' SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('DROP TABLE IF EXISTS ops.%I, ops.%I',
        'events_' || to_char(day, 'YYYYMMDD'), 'inbox_' || to_char(day, 'YYYYMMDD'));
END $$;
