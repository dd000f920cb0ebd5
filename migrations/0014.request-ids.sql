-- The id of the request that an event follows from, so that every line in the log can have it.
-- depends: 0013.who-acted

ALTER TABLE ops.events ADD COLUMN request_id text;
