-- Jobs: whatever touches many rows is done a step at a time. How far a job is, and what each step
-- did, are committed together, so that nothing is done twice, whoever is killed.
-- depends: 0021.conflicts-and-draws

CREATE TABLE ops.jobs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL CHECK (kind ~ '^[a-z_]+$' AND length(kind) <= 100),
    filter      jsonb NOT NULL,                     -- which rows; bounded: what comes later is not in it
    rate        integer NOT NULL CHECK (rate > 0),  -- rows a second, at most
    total       bigint NOT NULL CHECK (total >= 0), -- as it was counted before it began
    done        bigint NOT NULL DEFAULT 0 CHECK (done >= 0),
    refused     bigint NOT NULL DEFAULT 0 CHECK (refused >= 0),
    refusals    jsonb NOT NULL DEFAULT '[]',        -- the first of them: which row, and why
    cursor      jsonb,                              -- behind which row it goes on; null before the first
    state       text NOT NULL DEFAULT 'running'
                CHECK (state IN ('running', 'paused', 'cancelled', 'done', 'failed')),
    asked_by    text NOT NULL,
    reason      text,
    request_id  text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    due_at      timestamptz NOT NULL DEFAULT now(), -- when its next step may begin
    stepped_at  timestamptz,                        -- when its last step was taken
    finished_at timestamptz,
    vain        integer NOT NULL DEFAULT 0,         -- steps in vain since the last that went well
    error       text,                               -- why it failed, or why the last step was in vain
    CHECK ((state IN ('cancelled', 'done', 'failed')) = (finished_at IS NOT NULL))
);

CREATE INDEX jobs_due ON ops.jobs (due_at) WHERE state = 'running';
CREATE INDEX jobs_by_state ON ops.jobs (state, id);
CREATE INDEX jobs_by_kind ON ops.jobs (kind, id);
CREATE INDEX jobs_by_both ON ops.jobs (kind, state, id);
CREATE INDEX jobs_by_age ON ops.jobs (finished_at) WHERE finished_at IS NOT NULL;
