-- What needs the owner of the tables is done as the owner, whoever asks: the role of the running
-- system can make and drop days, and nothing else.
-- depends: 0037.audited-by-triggers

ALTER FUNCTION ops.make_partitions(date) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION ops.drop_day(date) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION ops.count_grown(bigint) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
REVOKE EXECUTE ON FUNCTION ops.make_partitions(date), ops.drop_day(date), ops.count_grown(bigint),
    ops.audit_row() FROM PUBLIC;
