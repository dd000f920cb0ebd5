DROP FUNCTION ops.drop_day;
CREATE OR REPLACE FUNCTION ops.make_partitions(through date) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    day date;
    parent text;
    made integer := 0;
BEGIN
    FOR day IN SELECT generate_series((now() AT TIME ZONE 'UTC')::date - 1, through, interval '1 day')::date LOOP
        FOREACH parent IN ARRAY ARRAY['events', 'inbox'] LOOP
            IF to_regclass(format('ops.%I', parent || '_' || to_char(day, 'YYYYMMDD'))) IS NULL THEN
                EXECUTE format(
                    'CREATE TABLE IF NOT EXISTS ops.%I PARTITION OF ops.%I FOR VALUES FROM (%L) TO (%L)',
                    parent || '_' || to_char(day, 'YYYYMMDD'), parent,
                    day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
                made := made + 1;
            END IF;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;
DROP INDEX ops.dead_letters_by_age;
DROP INDEX ops.deliveries_by_age;
-- Not valid: resolved letters may name deliveries and consumptions that are gone.
ALTER TABLE ops.dead_letters
    ADD CONSTRAINT dead_letters_delivery_id_fkey FOREIGN KEY (delivery_id)
        REFERENCES ops.webhook_deliveries (id) NOT VALID,
    ADD CONSTRAINT dead_letters_consumption_id_fkey FOREIGN KEY (consumption_id)
        REFERENCES ops.consumptions (id) NOT VALID;
DROP TABLE ops.retention;
