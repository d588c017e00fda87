#!/bin/bash
# Runs once, when the database is new: a role that may read statistics and nothing else.
set -euo pipefail
psql -v ON_ERROR_STOP=1 -v password="$MONITOR_PASSWORD" -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<'SQL'
CREATE EXTENSION IF NOT EXISTS vector;
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
CREATE ROLE monitor LOGIN PASSWORD :'password' CONNECTION LIMIT 5;
GRANT pg_monitor TO monitor;
SQL
