-- The version before knows no scopes, no expiry and no owner: a key that was given less than all of
-- what keys could do would be let in to everything.
UPDATE identity.api_keys
   SET revoked_at = now()
 WHERE revoked_at IS NULL
   AND (NOT scopes @> '{orders:read,orders:write,endpoints:write,admin}'
        OR expires_at IS NOT NULL OR owner_id IS NOT NULL);
ALTER TABLE identity.api_keys
    DROP COLUMN last_used_at,
    DROP COLUMN expires_at,
    DROP COLUMN scopes,
    DROP COLUMN owner_id;
DROP TABLE identity.throttles;
DROP TABLE identity.password_resets;
DROP TABLE identity.refresh_tokens;
DROP TABLE identity.customers;
DROP TABLE identity.users;
