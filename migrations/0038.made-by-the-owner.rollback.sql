GRANT EXECUTE ON FUNCTION ops.make_partitions(date), ops.drop_day(date), ops.count_grown(bigint),
    ops.audit_row() TO PUBLIC;
ALTER FUNCTION ops.make_partitions(date) SECURITY INVOKER RESET search_path;
ALTER FUNCTION ops.drop_day(date) SECURITY INVOKER RESET search_path;
ALTER FUNCTION ops.count_grown(bigint) SECURITY INVOKER RESET search_path;
