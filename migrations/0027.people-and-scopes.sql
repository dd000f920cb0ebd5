-- People who sign in, what keeps them signed in, and what each API key may do.
-- depends: 0026.catalogue-and-stock

CREATE TABLE identity.users (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username      text NOT NULL CHECK (length(username) BETWEEN 1 AND 150),
    email         text CHECK (length(email) BETWEEN 3 AND 254),
    first_name    text NOT NULL DEFAULT '' CHECK (length(first_name) <= 150),
    last_name     text NOT NULL DEFAULT '' CHECK (length(last_name) <= 150),
    -- Nobody signs in with a password where there is none.
    password_hash text CHECK (password_hash LIKE '$argon2id$%'),
    role          text NOT NULL DEFAULT 'customer'
                  CHECK (role IN ('customer', 'support', 'staff', 'superuser')),
    -- Every token carries it, and is refused when it is another one by now.
    token_version integer NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL DEFAULT now(),
    disabled_at   timestamptz,
    erased_at     timestamptz
);
CREATE UNIQUE INDEX users_by_name ON identity.users (lower(username));
CREATE UNIQUE INDEX users_by_email ON identity.users (lower(email));

-- What other schemas know of a person: this uuid, and nothing else.
CREATE TABLE identity.customers (
    uuid    uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id bigint NOT NULL UNIQUE REFERENCES identity.users (id) ON DELETE CASCADE
);

CREATE TABLE identity.refresh_tokens (
    jti         uuid PRIMARY KEY,
    -- All that follow from one sign-in: they are revoked together.
    family      uuid NOT NULL,
    user_id     bigint NOT NULL REFERENCES identity.users (id) ON DELETE CASCADE,
    replaced_by uuid,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    revoked_at  timestamptz
);
CREATE INDEX refresh_tokens_by_family ON identity.refresh_tokens (family);
CREATE INDEX refresh_tokens_by_user ON identity.refresh_tokens (user_id);
CREATE INDEX refresh_tokens_by_end ON identity.refresh_tokens (expires_at);

CREATE TABLE identity.password_resets (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    user_id    bigint NOT NULL REFERENCES identity.users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX password_resets_by_user ON identity.password_resets (user_id);
CREATE INDEX password_resets_by_end ON identity.password_resets (expires_at);

-- How often something was tried in vain since when, of one account or from one address.
CREATE TABLE identity.throttles (
    subject  text PRIMARY KEY CHECK (length(subject) BETWEEN 1 AND 200),
    tries    integer NOT NULL DEFAULT 1,
    began_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX throttles_by_time ON identity.throttles (began_at);

-- The default is what every key could do before: it is what those have that are there, and those
-- that the version before still makes.
ALTER TABLE identity.api_keys
    ADD COLUMN owner_id     bigint REFERENCES identity.users (id) ON DELETE CASCADE,
    ADD COLUMN scopes       text[] NOT NULL
               DEFAULT '{orders:read,orders:write,endpoints:write,admin}'
               CHECK (scopes <@ '{orders:read,orders:write,orders:import,catalog:write,endpoints:write,store:write,warehouse:write,admin}'::text[]),
    ADD COLUMN expires_at   timestamptz,
    ADD COLUMN last_used_at timestamptz;
CREATE INDEX api_keys_by_owner ON identity.api_keys (owner_id) WHERE owner_id IS NOT NULL;
