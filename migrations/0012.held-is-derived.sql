-- What waits for a disabled endpoint is told by the endpoint alone.
-- depends: 0011.watermarks-are-a-cache

-- Making partitions locks the tables of every order: never for longer than its one statement.
ALTER FUNCTION ops.make_partitions(date) SET lock_timeout = '1s';
