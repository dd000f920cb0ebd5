-- Lines of a file that a job books, until they are; what a cancelled one leaves goes with it.
-- depends: 0035.products-changed

CREATE TABLE ops.job_lines (
    job_id bigint NOT NULL REFERENCES ops.jobs (id) ON DELETE CASCADE,
    line integer NOT NULL CHECK (line > 0),
    content jsonb NOT NULL CHECK (jsonb_typeof(content) = 'object'),
    PRIMARY KEY (job_id, line)
);
