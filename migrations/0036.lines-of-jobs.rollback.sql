-- An import that has not ended would be without its lines.
UPDATE ops.jobs
   SET state = 'cancelled', finished_at = now(), error = 'its lines went with the schema'
 WHERE kind = 'import_stock' AND state IN ('running', 'paused', 'failed');
DROP TABLE ops.job_lines;
