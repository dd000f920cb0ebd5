ALTER TABLE ops.dead_letters
    DROP COLUMN decided_by;
ALTER TABLE ops.jobs
    DROP COLUMN is_at_least;
