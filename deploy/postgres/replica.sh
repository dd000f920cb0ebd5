#!/bin/sh
# A replica of the PostgreSQL that PGHOST, PGPORT, PGUSER and PGPASSWORD name: it is cloned into
# PGDATA once, and replays what that one writes from then on. Arguments are for postgres.
set -eu

slot=orderbus_replica
if [ ! -d "$PGDATA" ]; then
    draft="$PGDATA.draft" # a clone that was interrupted is none
    rm -rf "$draft"
    psql --no-psqlrc --quiet --output=/dev/null --dbname=postgres --command="
        SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
         WHERE slot_name = '$slot' AND NOT active"
    pg_basebackup --pgdata="$draft" --write-recovery-conf --slot="$slot" --create-slot \
        --checkpoint=fast --wal-method=stream
    mv "$draft" "$PGDATA"
fi
unset PGHOST PGPORT PGUSER PGPASSWORD
exec postgres -D "$PGDATA" "$@"
