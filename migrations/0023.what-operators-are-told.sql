-- What an operator is told of what others did: a job's total that was not counted to its end says
-- so, and a dead letter says who decided about it.
-- depends: 0022.jobs

ALTER TABLE ops.jobs
    ADD COLUMN is_at_least boolean NOT NULL DEFAULT false; -- its total, or more, since counting was ended

ALTER TABLE ops.dead_letters
    ADD COLUMN decided_by text;
