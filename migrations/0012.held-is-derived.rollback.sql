ALTER FUNCTION ops.make_partitions(date) RESET lock_timeout;
