-- The schema as the migrations make it, to be read; no migration itself. Written by `make schema`,
-- compared with the migrations by a test. Without the daily partitions of the partitioned tables.

CREATE SCHEMA identity;

CREATE SCHEMA ops;

CREATE SCHEMA orders;

CREATE SCHEMA products;

CREATE FUNCTION ops.audit_row() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    subject text := TG_ARGV[0];
    personal text[] := TG_ARGV[2];
    ignored text[] := TG_ARGV[3];
    was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    now_is jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    subject_key text := coalesce(now_is, was) ->> TG_ARGV[1];
    who text := coalesce(nullif(current_setting('orderbus.actor', true), ''),
                         'database:' || session_user);
    act text := nullif(current_setting('orderbus.action', true), '');
    why text := nullif(current_setting('orderbus.reason', true), '');
    names text[];
    shown_before jsonb;
    shown_after jsonb;
BEGIN
    SELECT array_agg(name) INTO names
      FROM jsonb_object_keys(coalesce(now_is, was)) AS name
     WHERE name <> ALL (ignored)
       AND (TG_OP <> 'UPDATE' OR was -> name IS DISTINCT FROM now_is -> name);
    IF names IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT jsonb_object_agg(name, CASE WHEN name = ANY (personal) AND was -> name <> 'null'
                                       THEN '"(hidden)"' ELSE ops.shown(name, was -> name) END)
               FILTER (WHERE was IS NOT NULL),
           jsonb_object_agg(name, CASE WHEN name = ANY (personal) AND now_is -> name <> 'null'
                                       THEN '"(hidden)"' ELSE ops.shown(name, now_is -> name) END)
               FILTER (WHERE now_is IS NOT NULL)
      INTO shown_before, shown_after
      FROM unnest(names) AS name;
    -- What an act is called belongs to its subject; other rows change because of it.
    IF act IS NULL OR split_part(act, '.', 1) <> subject THEN
        act := subject || CASE TG_OP WHEN 'INSERT' THEN '.added' WHEN 'UPDATE' THEN '.changed'
                                     ELSE '.removed' END;
    END IF;
    INSERT INTO ops.audit_log
           (actor, action, subject_type, subject_id, reason, before, after, request_id)
    VALUES (CASE WHEN who = subject THEN who || ' ' || subject_key ELSE who END, act, subject,
            subject_key, why, shown_before, shown_after,
            nullif(current_setting('orderbus.request_id', true), ''));
    RETURN NULL;
END $$;

CREATE FUNCTION ops.count_grown(rows bigint) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    grown regclass;
    counted integer := 0;
BEGIN
    FOR grown IN
        SELECT oid
          FROM pg_class
         WHERE relnamespace IN ('ops'::regnamespace, 'orders'::regnamespace)
           AND relkind = 'r'
           AND reltuples < rows
           AND pg_stat_get_live_tuples(oid) >= rows
    LOOP
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s', grown);
        counted := counted + 1;
    END LOOP;
    RETURN counted;
END $$;

CREATE FUNCTION ops.drop_day(day date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET lock_timeout TO '100ms'
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Tables are named by year, month and day: one before Christ would name that of another year.
    IF (day BETWEEN '2000-01-01' AND (now() AT TIME ZONE 'UTC')::date - 2) IS NOT TRUE THEN
        RAISE EXCEPTION 'the day % is too young to go', day USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS ops.%I, ops.%I',
        'events_' || to_char(day, 'YYYYMMDD'), 'inbox_' || to_char(day, 'YYYYMMDD'));
END $$;

CREATE FUNCTION ops.fits(type text, patterns text[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $_$
    SELECT type ~ ANY (SELECT '^' || replace(replace(pattern, '.', '\.'), '*',
                                             '[a-z_]+(\.[a-z_]+)*') || '$'
                         FROM unnest(patterns) AS pattern)
$_$;

CREATE FUNCTION ops.forget_watermarks(at_most integer) RETURNS integer
    LANGUAGE plpgsql
    AS $$
DECLARE
    looked_at bigint[];
    forgotten integer;
BEGIN
    SELECT array_agg(order_id) INTO looked_at
      FROM (SELECT waiting.order_id
              FROM (SELECT day + 1 AS since, lead(day, 1, 'infinity') OVER (ORDER BY day) AS until
                      FROM (SELECT day FROM ops.kept_days UNION SELECT '-infinity') AS days) AS gone
             CROSS JOIN LATERAL (
                    SELECT order_id
                      FROM ops.watermarks
                     WHERE day >= gone.since AND day < gone.until
                     LIMIT at_most
                       FOR UPDATE SKIP LOCKED) AS waiting
             WHERE gone.since < gone.until
             LIMIT at_most) AS turn;
    IF looked_at IS NULL THEN
        RETURN 0;
    END IF;
    -- In a statement of its own: as long as we hold the locks, no event of these orders is recorded.
    -- One that is committed meanwhile and comes back later finds no watermark and restores it.
    WITH happened AS (
        SELECT order_id, (at AT TIME ZONE 'UTC')::date AS day
          FROM orders.order_history
         WHERE order_id = ANY (looked_at)
         UNION ALL
        SELECT id, (closed_at AT TIME ZONE 'UTC')::date
          FROM orders.carts
         WHERE id = ANY (looked_at)
    ), kept AS (
        SELECT order_id, max(day) AS day
          FROM happened
         WHERE day IN (SELECT day FROM ops.kept_days)
         GROUP BY order_id
    ), looked_at_later AS (
        UPDATE ops.watermarks
           SET day = kept.day
          FROM kept
         WHERE watermarks.order_id = kept.order_id
    )
    DELETE FROM ops.watermarks
     WHERE order_id = ANY (looked_at)
       AND order_id NOT IN (SELECT order_id FROM kept);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END $$;

CREATE TABLE ops.webhook_deliveries (
    id bigint NOT NULL,
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    order_id bigint NOT NULL,
    sequence bigint NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    crashes integer DEFAULT 0 NOT NULL,
    claims integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    lease uuid,
    leased_until timestamp with time zone,
    first_sent_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    settled_at timestamp with time zone,
    decided_by text,
    decided_reason text,
    resent_at timestamp with time zone,
    CONSTRAINT webhook_deliveries_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT webhook_deliveries_check CHECK (((lease IS NULL) = (leased_until IS NULL))),
    CONSTRAINT webhook_deliveries_check1 CHECK (((lease IS NULL) OR (state = ANY (ARRAY['pending'::text, 'held'::text])))),
    CONSTRAINT webhook_deliveries_check2 CHECK (((settled_at IS NOT NULL) = (state = ANY (ARRAY['delivered'::text, 'dead'::text, 'skipped'::text])))),
    CONSTRAINT webhook_deliveries_claims_check CHECK ((claims >= 0)),
    CONSTRAINT webhook_deliveries_crashes_check CHECK ((crashes >= 0)),
    CONSTRAINT webhook_deliveries_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'held'::text, 'delivered'::text, 'dead'::text, 'skipped'::text])))
)
WITH (fillfactor='80', autovacuum_vacuum_scale_factor='0.05');

CREATE FUNCTION ops.gave_order_up(delivery ops.webhook_deliveries) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    SELECT ordering = 'none' FROM ops.webhook_endpoints WHERE id = delivery.endpoint_id
$$;

CREATE FUNCTION ops.is_head(delivery ops.webhook_deliveries) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    SELECT NOT EXISTS (
        SELECT FROM ops.webhook_deliveries AS earlier
         WHERE earlier.order_id = delivery.order_id
           AND earlier.endpoint_id = delivery.endpoint_id
           AND earlier.sequence < delivery.sequence
           AND earlier.state IN ('pending', 'held'))
$$;

CREATE FUNCTION ops.make_partitions(through date) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET lock_timeout TO '1s'
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    day date;
    parent text;
    partition text;
    made integer := 0;
BEGIN
    FOR day IN SELECT generate_series((now() AT TIME ZONE 'UTC')::date - 1, through, interval '1 day')::date LOOP
        FOREACH parent IN ARRAY ARRAY['events', 'inbox'] LOOP
            partition := parent || '_' || to_char(day, 'YYYYMMDD');
            IF to_regclass(format('ops.%I', partition)) IS NULL THEN
                EXECUTE format('CREATE TABLE ops.%I (LIKE ops.%I INCLUDING ALL)', partition, parent);
                EXECUTE format('ALTER TABLE ops.%I ATTACH PARTITION ops.%I FOR VALUES FROM (%L) TO (%L)',
                    parent, partition,
                    day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
                made := made + 1;
            END IF;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;

CREATE FUNCTION ops.may_go(delivery ops.webhook_deliveries) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    SELECT delivery.sequence <= (SELECT sequence FROM ops.watermarks
                                  WHERE order_id = delivery.order_id)
           AND ops.is_head(delivery)
           OR ops.gave_order_up(delivery)
$$;

CREATE FUNCTION ops.move_ids_on(by bigint) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    ids regclass;
    moved integer := 0;
BEGIN
    IF (by BETWEEN 1 AND 1000000) IS NOT TRUE THEN
        RAISE EXCEPTION 'ids do not move by %', by USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOR ids IN SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences
                WHERE schemaname IN ('ops', 'orders', 'identity', 'products') LOOP
        PERFORM setval(ids, nextval(ids) + by);
        moved := moved + 1;
    END LOOP;
    RETURN moved;
END $$;

CREATE FUNCTION ops.never_held() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.state := 'pending';
    RETURN NEW;
END $$;

CREATE FUNCTION ops.order_of_message(attributes jsonb) RETURNS uuid
    LANGUAGE sql IMMUTABLE
    AS $_$
    SELECT CASE WHEN attributes ->> 'ce-subject' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                THEN (attributes ->> 'ce-subject')::uuid END
$_$;

CREATE FUNCTION ops.restore_watermark() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.sequence := ops.watermark_of(NEW.order_id);
    RETURN NEW;
END $$;

CREATE FUNCTION ops.shown(named text, value jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    said text;
BEGIN
    IF value = 'null' THEN
        RETURN value;
    ELSIF named ~ '(secrets?|passw[a-z]*|hash|key|token)$' THEN
        RETURN '"(hidden)"';
    ELSIF named = 'headers' THEN
        RETURN (SELECT coalesce(jsonb_agg(header ORDER BY header), '[]')
                  FROM jsonb_object_keys(value) AS header);
    ELSIF jsonb_typeof(value) <> 'string' THEN
        RETURN value;
    END IF;
    said := regexp_replace(value #>> '{}', '(whsec|obk)_[\w+/=-]*', '(hidden)', 'g');
    said := regexp_replace(
        said, '(https?://)(?:[^/?#\s@]*@)?([^?#\s]*)\?[^#\s]*', '\1\2?(hidden)', 'gi');
    RETURN to_jsonb(regexp_replace(said, '(https?://)[^/?#\s@]*@', '\1', 'gi'));
END $_$;

CREATE FUNCTION ops.watermark_of(wanted bigint) RETURNS bigint
    LANGUAGE sql STABLE
    AS $$
    SELECT coalesce(
        (SELECT min(sequence) - 1
           FROM orders.order_history AS history
          WHERE order_id = wanted
            AND (at AT TIME ZONE 'UTC')::date IN (SELECT day FROM ops.kept_days)
            AND NOT EXISTS (SELECT FROM ops.inbox
                             WHERE inbox.occurred_at = history.at
                               AND inbox.event_id = history.event_id)),
        (SELECT max(sequence) FROM orders.order_history WHERE order_id = wanted),
        0)
$$;

CREATE FUNCTION orders.guard_move() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF OLD.status <> NEW.status THEN
        IF NOT EXISTS (SELECT FROM orders.moves
                        WHERE axis = 'status'
                          AND from_status = OLD.status AND to_status = NEW.status) THEN
            PERFORM orders.refuse_move(
                format('an order cannot go from %s to %s', OLD.status, NEW.status));
        END IF;
        IF NEW.status = 'cancelled' THEN
            -- Whoever cancels an order cancels what was to leave, and ends a hold: code that knows
            -- nothing of either does so, too.
            IF NEW.fulfillment_status = 'pending' THEN
                NEW.fulfillment_status := 'cancelled';
            END IF;
            NEW.on_hold := false;
            NEW.hold_reason := NULL;
            IF NEW.fulfillment_status <> 'cancelled' THEN
                PERFORM orders.refuse_move(
                    format('an order that is %s cannot go to cancelled', OLD.fulfillment_status));
            END IF;
        END IF;
    END IF;
    IF OLD.fulfillment_status <> NEW.fulfillment_status THEN
        IF NOT EXISTS (SELECT FROM orders.moves
                        WHERE axis = 'fulfillment_status' AND from_status = OLD.fulfillment_status
                          AND to_status = NEW.fulfillment_status) THEN
            PERFORM orders.refuse_move(format('an order cannot go from %s to %s',
                                              OLD.fulfillment_status, NEW.fulfillment_status));
        END IF;
        IF NEW.fulfillment_status = 'cancelled' AND NEW.status <> 'cancelled' THEN
            PERFORM orders.refuse_move(
                format('what an order that is %s has to ship cannot go to cancelled', NEW.status));
        END IF;
        IF NEW.fulfillment_status IN ('partially_shipped', 'shipped')
           AND (OLD.on_hold OR NEW.status = 'failed') THEN
            PERFORM orders.refuse_move(format('an order that is %s cannot go to %s',
                CASE WHEN OLD.on_hold THEN 'held' ELSE NEW.status END, NEW.fulfillment_status));
        END IF;
    END IF;
    IF NEW.on_hold AND NOT OLD.on_hold
       AND (NEW.status = 'cancelled'
            OR NEW.fulfillment_status NOT IN ('pending', 'partially_shipped')) THEN
        PERFORM orders.refuse_move(format('an order that is %s cannot go to held',
            CASE WHEN NEW.status = 'cancelled' THEN NEW.status ELSE NEW.fulfillment_status END));
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION orders.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION orders.refuse_move(said text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION '%', said USING ERRCODE = 'check_violation', CONSTRAINT = 'order_moves';
END $$;

CREATE TABLE identity.api_keys (
    id bigint NOT NULL,
    name text NOT NULL,
    key_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone,
    owner_id bigint,
    scopes text[] DEFAULT '{orders:read,orders:write,endpoints:write,admin}'::text[] NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    CONSTRAINT api_keys_key_hash_check CHECK ((length(key_hash) = 32)),
    CONSTRAINT api_keys_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
    CONSTRAINT api_keys_scopes_check CHECK ((scopes <@ '{orders:read,orders:write,orders:import,catalog:write,endpoints:write,store:write,warehouse:write,admin}'::text[]))
);

ALTER TABLE identity.api_keys ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME identity.api_keys_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE identity.customers (
    uuid uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id bigint NOT NULL
);

CREATE TABLE identity.password_resets (
    token_hash bytea NOT NULL,
    user_id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT password_resets_token_hash_check CHECK ((length(token_hash) = 32))
);

CREATE TABLE identity.refresh_tokens (
    jti uuid NOT NULL,
    family uuid NOT NULL,
    user_id bigint NOT NULL,
    replaced_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone
);

CREATE TABLE identity.throttles (
    subject text NOT NULL,
    tries integer DEFAULT 1 NOT NULL,
    began_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT throttles_subject_check CHECK (((length(subject) >= 1) AND (length(subject) <= 200)))
);

CREATE TABLE identity.users (
    id bigint NOT NULL,
    username text NOT NULL,
    email text,
    first_name text DEFAULT ''::text NOT NULL,
    last_name text DEFAULT ''::text NOT NULL,
    password_hash text,
    role text DEFAULT 'customer'::text NOT NULL,
    token_version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    disabled_at timestamp with time zone,
    erased_at timestamp with time zone,
    CONSTRAINT users_email_check CHECK (((length(email) >= 3) AND (length(email) <= 254))),
    CONSTRAINT users_first_name_check CHECK ((length(first_name) <= 150)),
    CONSTRAINT users_last_name_check CHECK ((length(last_name) <= 150)),
    CONSTRAINT users_password_hash_check CHECK ((password_hash ~~ '$argon2id$%'::text)),
    CONSTRAINT users_role_check CHECK ((role = ANY (ARRAY['customer'::text, 'support'::text, 'staff'::text, 'superuser'::text]))),
    CONSTRAINT users_username_check CHECK (((length(username) >= 1) AND (length(username) <= 150)))
);

ALTER TABLE identity.users ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME identity.users_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ops.audit_log (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject_type text NOT NULL,
    subject_id text NOT NULL,
    reason text,
    before jsonb,
    after jsonb,
    request_id text,
    CONSTRAINT audit_log_action_check CHECK ((action ~ '^[a-z_]+(\.[a-z_]+)+$'::text)),
    CONSTRAINT audit_log_actor_check CHECK (((length(actor) >= 1) AND (length(actor) <= 200))),
    CONSTRAINT audit_log_subject_id_check CHECK (((length(subject_id) >= 1) AND (length(subject_id) <= 200))),
    CONSTRAINT audit_log_subject_type_check CHECK ((subject_type ~ '^[a-z_]+$'::text))
);

ALTER TABLE ops.audit_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ops.audit_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ops.consumptions (
    id bigint NOT NULL,
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    lease uuid,
    leased_until timestamp with time zone,
    error text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    settled_at timestamp with time zone,
    crashes integer DEFAULT 0 NOT NULL,
    is_suspect boolean DEFAULT false NOT NULL,
    CONSTRAINT consumptions_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT consumptions_check CHECK (((lease IS NULL) = (leased_until IS NULL))),
    CONSTRAINT consumptions_check1 CHECK (((lease IS NULL) OR (state = 'pending'::text))),
    CONSTRAINT consumptions_check2 CHECK (((settled_at IS NULL) = (state = 'pending'::text))),
    CONSTRAINT consumptions_check3 CHECK ((is_suspect = (crashes > 0))),
    CONSTRAINT consumptions_crashes_check CHECK ((crashes >= 0)),
    CONSTRAINT consumptions_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'done'::text, 'dead'::text])))
)
WITH (autovacuum_vacuum_scale_factor='0.05', fillfactor='50');

ALTER TABLE ops.consumptions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ops.consumptions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ops.counted (
    description text NOT NULL,
    more bigint NOT NULL,
    CONSTRAINT counted_description_check CHECK ((description ~ '^[a-z_]{1,100}$'::text)),
    CONSTRAINT counted_more_check CHECK ((more > 0))
);

CREATE TABLE ops.dead_letters (
    id bigint NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    error text NOT NULL,
    traceback text,
    delivery_id bigint,
    event_id uuid,
    occurred_at timestamp with time zone,
    actor text,
    arguments jsonb,
    data bytea,
    attributes jsonb,
    message_id text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    resolved_at timestamp with time zone,
    resolution text,
    note text,
    consumption_id bigint,
    decided_by text,
    CONSTRAINT dead_letters_check CHECK (((resolved_at IS NULL) = (resolution IS NULL))),
    CONSTRAINT dead_letters_check1 CHECK (((kind = 'delivery'::text) = (delivery_id IS NOT NULL))),
    CONSTRAINT dead_letters_check2 CHECK (((kind <> 'outbox'::text) OR (event_id IS NOT NULL))),
    CONSTRAINT dead_letters_check3 CHECK (((kind <> 'pubsub'::text) OR (data IS NOT NULL))),
    CONSTRAINT dead_letters_check5 CHECK (((kind = 'consumption'::text) = (consumption_id IS NOT NULL))),
    CONSTRAINT dead_letters_kind_check CHECK ((kind = ANY (ARRAY['delivery'::text, 'outbox'::text, 'pubsub'::text, 'message'::text, 'consumption'::text]))),
    CONSTRAINT dead_letters_message_check CHECK (((kind <> 'message'::text) OR (data IS NOT NULL) OR ((actor IS NOT NULL) AND (arguments IS NOT NULL)))),
    CONSTRAINT dead_letters_resolution_check CHECK ((resolution = ANY (ARRAY['redriven'::text, 'discarded'::text])))
);

ALTER TABLE ops.dead_letters ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ops.dead_letters_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ops.early_events (
    order_id bigint NOT NULL,
    sequence bigint NOT NULL
);

CREATE TABLE ops.events (
    event_id uuid DEFAULT gen_random_uuid() NOT NULL,
    occurred_at timestamp with time zone DEFAULT now() NOT NULL,
    order_id bigint NOT NULL,
    order_public_id uuid NOT NULL,
    order_created_at timestamp with time zone NOT NULL,
    sequence bigint NOT NULL,
    type text NOT NULL,
    content jsonb NOT NULL,
    traceparent text,
    request_id text,
    CONSTRAINT events_sequence_check CHECK ((sequence >= 1)),
    CONSTRAINT events_type_check CHECK ((type ~ '^[a-z_]+(\.[a-z_]+)+$'::text))
)
PARTITION BY RANGE (occurred_at);

CREATE TABLE ops.idempotency_keys (
    scope text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status integer,
    headers jsonb,
    body bytea,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT idempotency_keys_key_check CHECK (((length(key) >= 1) AND (length(key) <= 255)))
);

CREATE TABLE ops.inbox (
    event_id uuid NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    order_id bigint NOT NULL,
    sequence bigint NOT NULL,
    message_id text,
    published_at timestamp with time zone,
    publishes integer DEFAULT 0 NOT NULL,
    received_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
)
PARTITION BY RANGE (occurred_at);

CREATE TABLE ops.job_lines (
    job_id bigint NOT NULL,
    line integer NOT NULL,
    content jsonb NOT NULL,
    CONSTRAINT job_lines_content_check CHECK ((jsonb_typeof(content) = 'object'::text)),
    CONSTRAINT job_lines_line_check CHECK ((line > 0))
);

CREATE TABLE ops.jobs (
    id bigint NOT NULL,
    kind text NOT NULL,
    filter jsonb NOT NULL,
    rate integer NOT NULL,
    total bigint NOT NULL,
    done bigint DEFAULT 0 NOT NULL,
    refused bigint DEFAULT 0 NOT NULL,
    refusals jsonb DEFAULT '[]'::jsonb NOT NULL,
    cursor jsonb,
    state text DEFAULT 'running'::text NOT NULL,
    asked_by text NOT NULL,
    reason text,
    request_id text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    stepped_at timestamp with time zone,
    finished_at timestamp with time zone,
    vain integer DEFAULT 0 NOT NULL,
    error text,
    is_at_least boolean DEFAULT false NOT NULL,
    CONSTRAINT jobs_check CHECK (((state = ANY (ARRAY['cancelled'::text, 'done'::text, 'failed'::text])) = (finished_at IS NOT NULL))),
    CONSTRAINT jobs_done_check CHECK ((done >= 0)),
    CONSTRAINT jobs_kind_check CHECK (((kind ~ '^[a-z_]+$'::text) AND (length(kind) <= 100))),
    CONSTRAINT jobs_rate_check CHECK ((rate > 0)),
    CONSTRAINT jobs_refused_check CHECK ((refused >= 0)),
    CONSTRAINT jobs_state_check CHECK ((state = ANY (ARRAY['running'::text, 'paused'::text, 'cancelled'::text, 'done'::text, 'failed'::text]))),
    CONSTRAINT jobs_total_check CHECK ((total >= 0))
);

ALTER TABLE ops.jobs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ops.jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW ops.kept_days AS
 WITH days AS MATERIALIZED (
         SELECT to_date("right"(((pg_inherits.inhrelid)::regclass)::text, 8), 'YYYYMMDD'::text) AS day
           FROM pg_inherits
          WHERE (pg_inherits.inhparent = ('ops.events'::regclass)::oid)
        )
 SELECT days.day
   FROM days;

CREATE TABLE ops.metrics (
    uuid uuid DEFAULT gen_random_uuid() NOT NULL,
    description text NOT NULL,
    count bigint DEFAULT 0 NOT NULL,
    CONSTRAINT metrics_count_check CHECK ((count >= 0)),
    CONSTRAINT metrics_description_check CHECK ((description ~ '^[a-z_]{1,100}$'::text))
);

CREATE TABLE ops.outbox (
    event_id uuid NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    lease uuid,
    leases integer DEFAULT 0 NOT NULL,
    publishes integer DEFAULT 0 NOT NULL,
    published_at timestamp with time zone,
    message_id text,
    parked_at timestamp with time zone,
    CONSTRAINT outbox_check CHECK (((published_at IS NULL) = (message_id IS NULL))),
    CONSTRAINT outbox_check1 CHECK (((parked_at IS NULL) OR (due_at = 'infinity'::timestamp with time zone))),
    CONSTRAINT outbox_leases_check CHECK ((leases >= 0)),
    CONSTRAINT outbox_publishes_check CHECK ((publishes >= 0))
)
WITH (autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='0', fillfactor='50');

CREATE TABLE ops.relay_breaker (
    only_row boolean DEFAULT true NOT NULL,
    opened_at timestamp with time zone,
    probe_at timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    CONSTRAINT relay_breaker_check CHECK (((opened_at IS NULL) = (probe_at IS NULL))),
    CONSTRAINT relay_breaker_only_row_check CHECK (only_row)
);

CREATE TABLE ops.retention (
    only_row boolean DEFAULT true NOT NULL,
    holder uuid,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT retention_only_row_check CHECK (only_row)
);

CREATE TABLE ops.watermarks (
    order_id bigint NOT NULL,
    sequence bigint DEFAULT 0 NOT NULL,
    day date DEFAULT '-infinity'::date NOT NULL,
    CONSTRAINT watermarks_sequence_check CHECK ((sequence >= 0))
)
WITH (fillfactor='80');

CREATE TABLE ops.webhook_attempts (
    delivery_id bigint NOT NULL,
    number integer NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    outcome text,
    status integer,
    error text,
    detail text,
    address text,
    head bytea,
    CONSTRAINT webhook_attempts_check CHECK (((finished_at IS NULL) = (outcome IS NULL))),
    CONSTRAINT webhook_attempts_number_check CHECK ((number >= 1)),
    CONSTRAINT webhook_attempts_outcome_check CHECK ((outcome = ANY (ARRAY['delivered'::text, 'failed'::text, 'not_charged'::text, 'unknown'::text])))
)
WITH (fillfactor='50');

ALTER TABLE ops.webhook_deliveries ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ops.webhook_deliveries_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ops.webhook_endpoints (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    url text NOT NULL,
    secrets text[] NOT NULL,
    format text NOT NULL,
    ordering text DEFAULT 'order'::text NOT NULL,
    built_in boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    disabled_at timestamp with time zone,
    disabled_reason text,
    removed_at timestamp with time zone,
    events text[] DEFAULT '{order.*}'::text[] NOT NULL,
    headers jsonb DEFAULT '{}'::jsonb NOT NULL,
    trace boolean DEFAULT false NOT NULL,
    old_secrets_until timestamp with time zone,
    due_until timestamp with time zone,
    CONSTRAINT webhook_endpoints_check CHECK (((disabled_at IS NULL) = (disabled_reason IS NULL))),
    CONSTRAINT webhook_endpoints_events_check CHECK (((cardinality(events) >= 1) AND (cardinality(events) <= 20))),
    CONSTRAINT webhook_endpoints_format_check CHECK ((format = ANY (ARRAY['compact'::text, 'event'::text, 'source1'::text]))),
    CONSTRAINT webhook_endpoints_headers_check CHECK ((jsonb_typeof(headers) = 'object'::text)),
    CONSTRAINT webhook_endpoints_ordering_check CHECK ((ordering = ANY (ARRAY['order'::text, 'none'::text]))),
    CONSTRAINT webhook_endpoints_secrets_check CHECK (((cardinality(secrets) >= 1) AND (cardinality(secrets) <= 5))),
    CONSTRAINT webhook_endpoints_url_check CHECK (((length(url) >= 1) AND (length(url) <= 2000)))
);

CREATE TABLE orders.orders (
    id bigint NOT NULL,
    public_id uuid DEFAULT gen_random_uuid() NOT NULL,
    source text NOT NULL,
    external_ref text NOT NULL,
    idempotency_key text,
    content_hash bytea NOT NULL,
    customer_name text NOT NULL,
    customer_email text NOT NULL,
    shipping_address text NOT NULL,
    total numeric(10,2) NOT NULL,
    event_seq bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    cart_uuid uuid,
    customer_ref text,
    status text DEFAULT 'created'::text NOT NULL,
    status_reason text,
    fulfillment_status text DEFAULT 'pending'::text NOT NULL,
    on_hold boolean DEFAULT false NOT NULL,
    hold_reason text,
    cancel_cause text,
    metadata jsonb,
    customer_id uuid,
    removed_at timestamp with time zone,
    CONSTRAINT orders_cancel_cause_check CHECK ((cancel_cause = ANY (ARRAY['customer'::text, 'declined'::text, 'fraud'::text, 'inventory'::text, 'staff'::text, 'expired'::text, 'other'::text]))),
    CONSTRAINT orders_check CHECK (((source = 'cart'::text) = (cart_uuid IS NOT NULL))),
    CONSTRAINT orders_content_hash_check CHECK ((length(content_hash) = 32)),
    CONSTRAINT orders_customer_email_check CHECK ((length(customer_email) <= 254)),
    CONSTRAINT orders_customer_name_check CHECK ((length(customer_name) <= 255)),
    CONSTRAINT orders_customer_ref_check CHECK (((length(customer_ref) >= 1) AND (length(customer_ref) <= 255))),
    CONSTRAINT orders_event_seq_check CHECK ((event_seq >= 1)),
    CONSTRAINT orders_external_ref_check CHECK (((length(external_ref) >= 1) AND (length(external_ref) <= 255))),
    CONSTRAINT orders_fulfillment_status_check CHECK ((fulfillment_status = ANY (ARRAY['pending'::text, 'partially_shipped'::text, 'shipped'::text, 'delivered'::text, 'cancelled'::text]))),
    CONSTRAINT orders_hold_reason_check CHECK (((hold_reason IS NULL) OR (on_hold AND (length(hold_reason) <= 2000)))),
    CONSTRAINT orders_idempotency_key_check CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 255))),
    CONSTRAINT orders_metadata_check CHECK (((jsonb_typeof(metadata) = 'object'::text) AND (length((metadata)::text) <= 16000))),
    CONSTRAINT orders_shipping_address_check CHECK ((length(shipping_address) <= 2000)),
    CONSTRAINT orders_status_check CHECK ((status = ANY (ARRAY['created'::text, 'in_progress'::text, 'completed'::text, 'failed'::text, 'cancelled'::text]))),
    CONSTRAINT orders_status_reason_check CHECK ((length(status_reason) <= 2000)),
    CONSTRAINT orders_total_check CHECK ((total >= (0)::numeric))
);

ALTER TABLE orders.orders ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME orders.orders_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE orders.carts (
    id bigint DEFAULT nextval('orders.orders_id_seq'::regclass) NOT NULL,
    uuid uuid DEFAULT gen_random_uuid() NOT NULL,
    total_amount numeric(10,2) NOT NULL,
    items jsonb DEFAULT '[]'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    closed_at timestamp with time zone,
    closed_by text,
    customer_id uuid,
    CONSTRAINT carts_items_check CHECK ((jsonb_typeof(items) = 'array'::text)),
    CONSTRAINT carts_total_amount_check CHECK ((total_amount >= (0)::numeric))
);

CREATE TABLE orders.conflicts (
    order_id bigint NOT NULL,
    content_hash bytea NOT NULL,
    total numeric(10,2) NOT NULL,
    lines integer NOT NULL,
    answered text NOT NULL,
    actor text NOT NULL,
    request_id text,
    times bigint DEFAULT 1 NOT NULL,
    first_at timestamp with time zone DEFAULT now() NOT NULL,
    last_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT conflicts_answered_check CHECK ((answered = ANY (ARRAY['refused'::text, 'kept_first'::text]))),
    CONSTRAINT conflicts_times_check CHECK ((times >= 1))
);

CREATE TABLE orders.moves (
    from_status text NOT NULL,
    to_status text NOT NULL,
    axis text DEFAULT 'status'::text NOT NULL
);

CREATE TABLE orders.order_history (
    order_id bigint NOT NULL,
    sequence bigint NOT NULL,
    event_id uuid NOT NULL,
    type text NOT NULL,
    actor text NOT NULL,
    at timestamp with time zone NOT NULL,
    details jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT order_history_sequence_check CHECK ((sequence >= 1)),
    CONSTRAINT order_history_type_check CHECK ((type ~ '^[a-z_]+(\.[a-z_]+)+$'::text))
);

CREATE TABLE orders.order_items (
    order_id bigint NOT NULL,
    line integer NOT NULL,
    sku text NOT NULL,
    name text NOT NULL,
    quantity integer NOT NULL,
    unit_price numeric(10,2) NOT NULL,
    shipped integer DEFAULT 0 NOT NULL,
    product_uuid uuid,
    CONSTRAINT order_items_line_check CHECK ((line >= 1)),
    CONSTRAINT order_items_name_check CHECK (((length(name) >= 1) AND (length(name) <= 255))),
    CONSTRAINT order_items_quantity_check CHECK ((quantity > 0)),
    CONSTRAINT order_items_shipped_check CHECK (((shipped >= 0) AND (shipped <= quantity))),
    CONSTRAINT order_items_sku_check CHECK (((length(sku) >= 1) AND (length(sku) <= 100))),
    CONSTRAINT order_items_unit_price_check CHECK ((unit_price >= (0)::numeric))
);

CREATE TABLE orders.order_processing (
    order_id bigint NOT NULL,
    status text NOT NULL,
    began_with bigint NOT NULL,
    attempts integer DEFAULT 1 NOT NULL,
    amount numeric(10,2),
    error_message text,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    processed_at timestamp with time zone,
    asked_by text,
    drawn boolean,
    CONSTRAINT order_processing_amount_check CHECK ((amount >= (0)::numeric)),
    CONSTRAINT order_processing_attempts_check CHECK ((attempts >= 1)),
    CONSTRAINT order_processing_check CHECK (((processed_at IS NOT NULL) = (status = ANY (ARRAY['SUCCESS'::text, 'FAILED'::text])))),
    CONSTRAINT order_processing_status_check CHECK ((status = ANY (ARRAY['PENDING'::text, 'PROCESSING'::text, 'SUCCESS'::text, 'FAILED'::text])))
)
WITH (fillfactor='50');

CREATE TABLE products.categories (
    id bigint NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    parent_id bigint,
    CONSTRAINT categories_check CHECK ((parent_id < id)),
    CONSTRAINT categories_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
    CONSTRAINT categories_slug_check CHECK (((slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'::text) AND (length(slug) <= 100)))
);

ALTER TABLE products.categories ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME products.categories_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE products.product_categories (
    product_id bigint NOT NULL,
    category_id bigint NOT NULL,
    is_chosen boolean NOT NULL
);

CREATE TABLE products.products (
    id bigint NOT NULL,
    uuid uuid DEFAULT gen_random_uuid() NOT NULL,
    sku text NOT NULL,
    name text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    price numeric(10,2) NOT NULL,
    active boolean DEFAULT true NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    words tsvector GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, ((((name || ' '::text) || sku) || ' '::text) || description))) STORED NOT NULL,
    CONSTRAINT products_description_check CHECK ((length(description) <= 10000)),
    CONSTRAINT products_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
    CONSTRAINT products_price_check CHECK ((price >= (0)::numeric)),
    CONSTRAINT products_sku_check CHECK (((length(sku) >= 1) AND (length(sku) <= 100)))
);

ALTER TABLE products.products ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME products.products_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE products.reservations (
    cart_uuid uuid NOT NULL,
    product_id bigint NOT NULL,
    quantity integer NOT NULL,
    is_held boolean DEFAULT true NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT reservations_quantity_check CHECK ((quantity > 0))
);

CREATE TABLE products.stock (
    product_id bigint NOT NULL,
    on_hand integer DEFAULT 0 NOT NULL,
    reserved integer DEFAULT 0 NOT NULL,
    allocated integer DEFAULT 0 NOT NULL,
    shipped bigint DEFAULT 0 NOT NULL,
    backorder_limit integer DEFAULT 0 NOT NULL,
    available integer GENERATED ALWAYS AS (((on_hand - reserved) - allocated)) STORED NOT NULL,
    in_stock boolean GENERATED ALWAYS AS ((((on_hand - reserved) - allocated) > 0)) STORED NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    CONSTRAINT never_oversold CHECK ((((on_hand - reserved) - allocated) >= (- backorder_limit))),
    CONSTRAINT stock_allocated_check CHECK ((allocated >= 0)),
    CONSTRAINT stock_backorder_limit_check CHECK ((backorder_limit >= 0)),
    CONSTRAINT stock_on_hand_check CHECK ((on_hand >= 0)),
    CONSTRAINT stock_reserved_check CHECK ((reserved >= 0)),
    CONSTRAINT stock_shipped_check CHECK ((shipped >= 0))
)
WITH (fillfactor='70');

CREATE TABLE products.stock_movements (
    id bigint NOT NULL,
    product_id bigint NOT NULL,
    kind text NOT NULL,
    on_hand integer NOT NULL,
    reserved integer NOT NULL,
    allocated integer NOT NULL,
    shipped integer NOT NULL,
    order_id bigint,
    cart_uuid uuid,
    actor text NOT NULL,
    reason text,
    request_id text,
    at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT stock_movements_actor_check CHECK (((length(actor) >= 1) AND (length(actor) <= 200))),
    CONSTRAINT stock_movements_check CHECK (((on_hand <> 0) OR (reserved <> 0) OR (allocated <> 0) OR (shipped <> 0))),
    CONSTRAINT stock_movements_check1 CHECK (((kind <> ALL (ARRAY['counted'::text, 'removed'::text])) OR (reason IS NOT NULL))),
    CONSTRAINT stock_movements_check2 CHECK (((kind = ANY (ARRAY['allocated'::text, 'bought'::text, 'returned'::text, 'shipped'::text])) = (order_id IS NOT NULL))),
    CONSTRAINT stock_movements_check3 CHECK (((kind = ANY (ARRAY['reserved'::text, 'released'::text, 'bought'::text])) = (cart_uuid IS NOT NULL))),
    CONSTRAINT stock_movements_kind_check CHECK ((kind = ANY (ARRAY['counted'::text, 'received'::text, 'removed'::text, 'reserved'::text, 'released'::text, 'allocated'::text, 'bought'::text, 'returned'::text, 'shipped'::text, 'set_aside'::text, 'sent'::text, 'sent_aside'::text]))),
    CONSTRAINT stock_movements_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 2000)))
);

ALTER TABLE products.stock_movements ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME products.stock_movements_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE ONLY identity.api_keys
    ADD CONSTRAINT api_keys_key_hash_key UNIQUE (key_hash);

ALTER TABLE ONLY identity.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY identity.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (uuid);

ALTER TABLE ONLY identity.customers
    ADD CONSTRAINT customers_user_id_key UNIQUE (user_id);

ALTER TABLE ONLY identity.password_resets
    ADD CONSTRAINT password_resets_pkey PRIMARY KEY (token_hash);

ALTER TABLE ONLY identity.refresh_tokens
    ADD CONSTRAINT refresh_tokens_pkey PRIMARY KEY (jti);

ALTER TABLE ONLY identity.throttles
    ADD CONSTRAINT throttles_pkey PRIMARY KEY (subject);

ALTER TABLE ONLY identity.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ops.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (id);

ALTER TABLE ops.consumptions
    ADD CONSTRAINT consumptions_consumer_check CHECK (((consumer ~ '^[a-z_]+$'::text) AND (length(consumer) <= 100))) NOT VALID;

ALTER TABLE ONLY ops.consumptions
    ADD CONSTRAINT consumptions_event_id_consumer_key UNIQUE (event_id, consumer);

ALTER TABLE ONLY ops.consumptions
    ADD CONSTRAINT consumptions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ops.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ops.early_events
    ADD CONSTRAINT early_events_pkey PRIMARY KEY (order_id, sequence);

ALTER TABLE ONLY ops.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (occurred_at, event_id);

ALTER TABLE ONLY ops.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (scope, key);

ALTER TABLE ONLY ops.inbox
    ADD CONSTRAINT inbox_pkey PRIMARY KEY (occurred_at, event_id);

ALTER TABLE ONLY ops.job_lines
    ADD CONSTRAINT job_lines_pkey PRIMARY KEY (job_id, line);

ALTER TABLE ONLY ops.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ops.metrics
    ADD CONSTRAINT metrics_description_key UNIQUE (description);

ALTER TABLE ONLY ops.metrics
    ADD CONSTRAINT metrics_pkey PRIMARY KEY (uuid);

ALTER TABLE ONLY ops.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (event_id);

ALTER TABLE ONLY ops.relay_breaker
    ADD CONSTRAINT relay_breaker_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY ops.retention
    ADD CONSTRAINT retention_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY ops.watermarks
    ADD CONSTRAINT watermarks_pkey PRIMARY KEY (order_id);

ALTER TABLE ONLY ops.webhook_attempts
    ADD CONSTRAINT webhook_attempts_pkey PRIMARY KEY (delivery_id, number);

ALTER TABLE ONLY ops.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_event_id_endpoint_id_key UNIQUE (event_id, endpoint_id);

ALTER TABLE ONLY ops.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id);

ALTER TABLE ONLY ops.webhook_endpoints
    ADD CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (id);

ALTER TABLE ONLY orders.carts
    ADD CONSTRAINT carts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY orders.carts
    ADD CONSTRAINT carts_uuid_key UNIQUE (uuid);

ALTER TABLE ONLY orders.conflicts
    ADD CONSTRAINT conflicts_pkey PRIMARY KEY (order_id, content_hash);

ALTER TABLE ONLY orders.moves
    ADD CONSTRAINT moves_pkey PRIMARY KEY (axis, from_status, to_status);

ALTER TABLE ONLY orders.orders
    ADD CONSTRAINT one_order_per_reference UNIQUE (external_ref, source);

ALTER TABLE ONLY orders.order_history
    ADD CONSTRAINT order_history_pkey PRIMARY KEY (order_id, sequence);

ALTER TABLE ONLY orders.order_items
    ADD CONSTRAINT order_items_pkey PRIMARY KEY (order_id, line);

ALTER TABLE ONLY orders.order_processing
    ADD CONSTRAINT order_processing_pkey PRIMARY KEY (order_id);

ALTER TABLE ONLY orders.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);

ALTER TABLE ONLY orders.orders
    ADD CONSTRAINT orders_public_id_key UNIQUE (public_id);

ALTER TABLE orders.orders
    ADD CONSTRAINT orders_source_check CHECK ((source = ANY (ARRAY['webhook'::text, 'api'::text, 'cart'::text, 'catalog'::text]))) NOT VALID;

ALTER TABLE ONLY products.categories
    ADD CONSTRAINT categories_pkey PRIMARY KEY (id);

ALTER TABLE ONLY products.categories
    ADD CONSTRAINT categories_slug_key UNIQUE (slug);

ALTER TABLE ONLY products.product_categories
    ADD CONSTRAINT product_categories_pkey PRIMARY KEY (product_id, category_id);

ALTER TABLE ONLY products.products
    ADD CONSTRAINT products_pkey PRIMARY KEY (id);

ALTER TABLE ONLY products.products
    ADD CONSTRAINT products_sku_key UNIQUE (sku);

ALTER TABLE ONLY products.products
    ADD CONSTRAINT products_uuid_key UNIQUE (uuid);

ALTER TABLE ONLY products.reservations
    ADD CONSTRAINT reservations_pkey PRIMARY KEY (cart_uuid, product_id);

ALTER TABLE ONLY products.stock_movements
    ADD CONSTRAINT stock_movements_pkey PRIMARY KEY (id);

ALTER TABLE ONLY products.stock
    ADD CONSTRAINT stock_pkey PRIMARY KEY (product_id);

CREATE INDEX api_keys_by_owner ON identity.api_keys USING btree (owner_id) WHERE (owner_id IS NOT NULL);

CREATE INDEX password_resets_by_end ON identity.password_resets USING btree (expires_at);

CREATE INDEX password_resets_by_user ON identity.password_resets USING btree (user_id);

CREATE INDEX refresh_tokens_by_end ON identity.refresh_tokens USING btree (expires_at);

CREATE INDEX refresh_tokens_by_family ON identity.refresh_tokens USING btree (family);

CREATE INDEX refresh_tokens_by_user ON identity.refresh_tokens USING btree (user_id);

CREATE INDEX throttles_by_time ON identity.throttles USING btree (began_at);

CREATE UNIQUE INDEX users_by_email ON identity.users USING btree (lower(email));

CREATE UNIQUE INDEX users_by_name ON identity.users USING btree (lower(username));

CREATE INDEX audit_log_by_actor ON ops.audit_log USING btree (actor, at, id);

CREATE INDEX audit_log_by_subject ON ops.audit_log USING btree (subject_id, at, id);

CREATE INDEX audit_log_by_time ON ops.audit_log USING btree (at, id);

CREATE INDEX consumptions_by_age ON ops.consumptions USING btree (occurred_at);

CREATE INDEX consumptions_due ON ops.consumptions USING btree (consumer, is_suspect, due_at) WHERE (state = 'pending'::text);

CREATE INDEX dead_letters_by_age ON ops.dead_letters USING btree (resolved_at) WHERE (resolved_at IS NOT NULL);

CREATE INDEX dead_letters_of_messages ON ops.dead_letters USING btree (ops.order_of_message(attributes), id) WHERE ((kind = 'pubsub'::text) AND (resolved_at IS NULL));

CREATE INDEX dead_letters_open ON ops.dead_letters USING btree (kind, id) WHERE (resolved_at IS NULL);

CREATE INDEX deliveries_by_age ON ops.webhook_deliveries USING btree (settled_at) WHERE (state = ANY (ARRAY['delivered'::text, 'skipped'::text]));

CREATE INDEX deliveries_dead ON ops.webhook_deliveries USING btree (settled_at, id) WHERE (state = 'dead'::text);

CREATE INDEX deliveries_given_up ON ops.webhook_deliveries USING btree (settled_at, id) WHERE (state = ANY (ARRAY['dead'::text, 'skipped'::text]));

CREATE INDEX deliveries_in_flight ON ops.webhook_deliveries USING btree (endpoint_id) WHERE (lease IS NOT NULL);

CREATE INDEX deliveries_in_line ON ops.webhook_deliveries USING btree (order_id, endpoint_id, sequence) WHERE (state = ANY (ARRAY['pending'::text, 'held'::text]));

CREATE INDEX deliveries_owed ON ops.webhook_deliveries USING btree (endpoint_id, due_at) WHERE (state = 'pending'::text);

CREATE INDEX idempotency_keys_by_age ON ops.idempotency_keys USING btree (created_at);

CREATE INDEX inbox_received ON ONLY ops.inbox USING btree (received_at);

CREATE INDEX jobs_by_age ON ops.jobs USING btree (finished_at) WHERE (finished_at IS NOT NULL);

CREATE INDEX jobs_by_both ON ops.jobs USING btree (kind, state, id);

CREATE INDEX jobs_by_kind ON ops.jobs USING btree (kind, id);

CREATE INDEX jobs_by_state ON ops.jobs USING btree (state, id);

CREATE INDEX jobs_due ON ops.jobs USING btree (due_at) WHERE (state = 'running'::text);

CREATE UNIQUE INDEX one_built_in_endpoint ON ops.webhook_endpoints USING btree (built_in) WHERE (built_in AND (removed_at IS NULL));

CREATE UNIQUE INDEX one_dead_letter_per_pubsub_message ON ops.dead_letters USING btree (message_id) WHERE (kind = 'pubsub'::text);

CREATE UNIQUE INDEX one_dead_letter_per_queue_message ON ops.dead_letters USING btree (message_id, md5(((COALESCE(actor, ''::text) || ' '::text) || COALESCE((arguments)::text, ''::text)))) WHERE ((kind = 'message'::text) AND (resolved_at IS NULL));

CREATE UNIQUE INDEX one_open_dead_letter_per_consumption ON ops.dead_letters USING btree (consumption_id) WHERE ((resolved_at IS NULL) AND (kind = 'consumption'::text));

CREATE UNIQUE INDEX one_open_dead_letter_per_delivery ON ops.dead_letters USING btree (delivery_id) WHERE ((resolved_at IS NULL) AND (kind = 'delivery'::text));

CREATE UNIQUE INDEX one_open_dead_letter_per_pointer ON ops.dead_letters USING btree (event_id) WHERE ((resolved_at IS NULL) AND (kind = 'outbox'::text));

CREATE INDEX outbox_awaiting_return ON ops.outbox USING btree (published_at) WHERE (published_at IS NOT NULL);

CREATE INDEX outbox_due ON ops.outbox USING btree (due_at);

CREATE INDEX watermarks_by_day ON ops.watermarks USING btree (day);

CREATE INDEX carts_by_customer ON orders.carts USING btree (customer_id, id) WHERE (customer_id IS NOT NULL);

CREATE INDEX conflicts_by_time ON orders.conflicts USING btree (last_at, order_id, content_hash);

CREATE UNIQUE INDEX one_order_per_idempotency_key ON orders.orders USING btree (source, idempotency_key) WHERE (idempotency_key IS NOT NULL);

CREATE INDEX order_history_by_time ON orders.order_history USING brin (at) WITH (pages_per_range='16', autosummarize='on');

CREATE INDEX orders_by_customer ON orders.orders USING btree (customer_id, created_at, id) WHERE (customer_id IS NOT NULL);

CREATE INDEX orders_by_fulfillment ON orders.orders USING btree (fulfillment_status, source, status, created_at, id) WHERE (fulfillment_status <> 'pending'::text);

CREATE UNIQUE INDEX orders_cart_uuid_key ON orders.orders USING btree (cart_uuid) WHERE (cart_uuid IS NOT NULL);

CREATE INDEX orders_listed ON orders.orders USING btree (source, status, created_at, id);

CREATE INDEX orders_of_customer_listed ON orders.orders USING btree (customer_email, created_at, id) WHERE (customer_email <> ''::text);

CREATE INDEX orders_of_customer_ref_listed ON orders.orders USING btree (customer_ref, created_at, id) WHERE (customer_ref IS NOT NULL);

CREATE INDEX orders_on_hold ON orders.orders USING btree (created_at, id) WHERE on_hold;

CREATE INDEX orders_to_ship ON orders.orders USING btree (source, created_at, id) WHERE ((status = 'completed'::text) AND (fulfillment_status = 'pending'::text));

CREATE INDEX categories_by_parent ON products.categories USING btree (parent_id) WHERE (parent_id IS NOT NULL);

CREATE INDEX product_categories_by_category ON products.product_categories USING btree (category_id, product_id);

CREATE INDEX products_active ON products.products USING btree (id) WHERE active;

CREATE INDEX products_by_change ON products.products USING btree (updated_at);

CREATE INDEX products_by_name ON products.products USING btree (name, id);

CREATE INDEX products_by_price ON products.products USING btree (price, id);

CREATE INDEX products_by_word ON products.products USING gin (words);

CREATE INDEX products_inactive ON products.products USING btree (id) WHERE (NOT active);

CREATE INDEX reservations_due ON products.reservations USING btree (expires_at) WHERE (is_held AND (expires_at < 'infinity'::timestamp with time zone));

CREATE INDEX stock_in_stock ON products.stock USING btree (product_id) WHERE in_stock;

CREATE INDEX stock_movements_by_order ON products.stock_movements USING btree (order_id, id) WHERE (order_id IS NOT NULL);

CREATE INDEX stock_movements_by_product ON products.stock_movements USING btree (product_id, id);

CREATE INDEX stock_movements_set_aside ON products.stock_movements USING btree (product_id, reserved) WHERE (kind = ANY (ARRAY['set_aside'::text, 'sent_aside'::text]));

CREATE INDEX stock_sold_out ON products.stock USING btree (product_id) WHERE (NOT in_stock);

CREATE TRIGGER audited AFTER INSERT OR DELETE OR UPDATE ON identity.api_keys FOR EACH ROW EXECUTE FUNCTION ops.audit_row('api_key', 'id', '{}', '{last_used_at}');

CREATE TRIGGER audited AFTER INSERT OR DELETE OR UPDATE ON identity.customers FOR EACH ROW EXECUTE FUNCTION ops.audit_row('customer', 'uuid', '{}', '{}');

CREATE TRIGGER audited AFTER INSERT OR DELETE OR UPDATE ON identity.password_resets FOR EACH ROW EXECUTE FUNCTION ops.audit_row('password_reset', 'user_id', '{}', '{}');

CREATE TRIGGER audited AFTER INSERT OR DELETE OR UPDATE ON identity.users FOR EACH ROW EXECUTE FUNCTION ops.audit_row('user', 'id', '{username,email,first_name,last_name}', '{}');

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON ops.audit_log FOR EACH ROW EXECUTE FUNCTION orders.refuse_change();

CREATE TRIGGER append_only BEFORE UPDATE ON ops.events FOR EACH ROW EXECUTE FUNCTION orders.refuse_change();

CREATE TRIGGER audited AFTER INSERT OR DELETE OR UPDATE ON ops.webhook_endpoints FOR EACH ROW EXECUTE FUNCTION ops.audit_row('endpoint', 'id', '{}', '{due_until}');

CREATE TRIGGER never_held BEFORE INSERT OR UPDATE OF state ON ops.webhook_deliveries FOR EACH ROW WHEN ((new.state = 'held'::text)) EXECUTE FUNCTION ops.never_held();

CREATE TRIGGER restored BEFORE INSERT ON ops.watermarks FOR EACH ROW WHEN ((new.day = '-infinity'::date)) EXECUTE FUNCTION ops.restore_watermark();

CREATE TRIGGER append_only BEFORE UPDATE ON orders.order_history FOR EACH ROW EXECUTE FUNCTION orders.refuse_change();

CREATE TRIGGER guard_move BEFORE UPDATE OF status, fulfillment_status, on_hold ON orders.orders FOR EACH ROW WHEN (((old.status <> new.status) OR (old.fulfillment_status <> new.fulfillment_status) OR (old.on_hold <> new.on_hold))) EXECUTE FUNCTION orders.guard_move();

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON products.stock_movements FOR EACH ROW EXECUTE FUNCTION orders.refuse_change();

CREATE TRIGGER audited AFTER INSERT OR DELETE OR UPDATE ON products.categories FOR EACH ROW EXECUTE FUNCTION ops.audit_row('category', 'id', '{}', '{}');

CREATE TRIGGER audited AFTER INSERT OR DELETE OR UPDATE ON products.product_categories FOR EACH ROW EXECUTE FUNCTION ops.audit_row('product_category', 'product_id', '{}', '{}');

CREATE TRIGGER audited AFTER INSERT OR DELETE OR UPDATE ON products.products FOR EACH ROW EXECUTE FUNCTION ops.audit_row('product', 'id', '{}', '{words,updated_at}');

CREATE TRIGGER audited AFTER INSERT OR DELETE ON products.stock FOR EACH ROW EXECUTE FUNCTION ops.audit_row('stock', 'product_id', '{}', '{on_hand,reserved,allocated,shipped,available,in_stock,version}');

CREATE TRIGGER audited_when_changed AFTER UPDATE ON products.stock FOR EACH ROW WHEN ((old.backorder_limit <> new.backorder_limit)) EXECUTE FUNCTION ops.audit_row('stock', 'product_id', '{}', '{on_hand,reserved,allocated,shipped,available,in_stock,version}');

ALTER TABLE ONLY identity.api_keys
    ADD CONSTRAINT api_keys_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES identity.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.customers
    ADD CONSTRAINT customers_user_id_fkey FOREIGN KEY (user_id) REFERENCES identity.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.password_resets
    ADD CONSTRAINT password_resets_user_id_fkey FOREIGN KEY (user_id) REFERENCES identity.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY identity.refresh_tokens
    ADD CONSTRAINT refresh_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES identity.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY ops.job_lines
    ADD CONSTRAINT job_lines_job_id_fkey FOREIGN KEY (job_id) REFERENCES ops.jobs(id) ON DELETE CASCADE;

ALTER TABLE ONLY ops.webhook_attempts
    ADD CONSTRAINT webhook_attempts_delivery_id_fkey FOREIGN KEY (delivery_id) REFERENCES ops.webhook_deliveries(id) ON DELETE CASCADE;

ALTER TABLE ONLY ops.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES ops.webhook_endpoints(id);

ALTER TABLE ONLY orders.conflicts
    ADD CONSTRAINT conflicts_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders.orders(id) ON DELETE CASCADE;

ALTER TABLE ONLY orders.order_history
    ADD CONSTRAINT order_history_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders.orders(id) ON DELETE CASCADE;

ALTER TABLE ONLY orders.order_items
    ADD CONSTRAINT order_items_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders.orders(id) ON DELETE CASCADE;

ALTER TABLE ONLY orders.order_processing
    ADD CONSTRAINT order_processing_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders.orders(id) ON DELETE CASCADE;

ALTER TABLE ONLY orders.orders
    ADD CONSTRAINT orders_cart_uuid_fkey FOREIGN KEY (cart_uuid) REFERENCES orders.carts(uuid);

ALTER TABLE ONLY products.categories
    ADD CONSTRAINT categories_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES products.categories(id);

ALTER TABLE ONLY products.product_categories
    ADD CONSTRAINT product_categories_category_id_fkey FOREIGN KEY (category_id) REFERENCES products.categories(id);

ALTER TABLE ONLY products.product_categories
    ADD CONSTRAINT product_categories_product_id_fkey FOREIGN KEY (product_id) REFERENCES products.products(id) ON DELETE CASCADE;

ALTER TABLE ONLY products.reservations
    ADD CONSTRAINT reservations_product_id_fkey FOREIGN KEY (product_id) REFERENCES products.stock(product_id);

ALTER TABLE ONLY products.stock_movements
    ADD CONSTRAINT stock_movements_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders.orders(id);

ALTER TABLE ONLY products.stock_movements
    ADD CONSTRAINT stock_movements_product_id_fkey FOREIGN KEY (product_id) REFERENCES products.stock(product_id);

ALTER TABLE ONLY products.stock
    ADD CONSTRAINT stock_product_id_fkey FOREIGN KEY (product_id) REFERENCES products.products(id);
