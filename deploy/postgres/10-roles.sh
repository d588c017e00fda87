#!/bin/bash
# Runs once, when the database is new: the service's own role, which owns its database and is no superuser, and one that may
# read statistics and nothing else. The superuser has no password, and so no way in but from inside the container.
#
# Where an earlier version made the service's role a superuser, it is made right by running this again:
#   docker compose … exec postgres /docker-entrypoint-initdb.d/10-roles.sh
# in one transaction, while all is running; then restart the backend.
set -euo pipefail
superuser=postgres
sql() { psql -v ON_ERROR_STOP=1 --quiet -U "$superuser" -d ragbase "$@"; }

if ! sql -c '' 2>/dev/null; then
  # Made before the superuser was another: `ragbase` is it, and can't be made less.
  superuser=ragbase
  sql -c 'CREATE ROLE renaming LOGIN SUPERUSER'
  superuser=renaming
  sql <<'SQL'
\set owner `cat /run/secrets/postgres_password`
BEGIN;
ALTER ROLE ragbase RENAME TO postgres;
CREATE ROLE ragbase LOGIN PASSWORD :'owner';
SELECT format('ALTER %s %s OWNER TO ragbase', kind, name) FROM (
  SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END AS kind,
    c.oid::regclass::text AS name
  FROM pg_class c
  WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S', 'v', 'm') AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.objid = c.oid AND (d.deptype = 'e' OR d.deptype IN ('a', 'i') AND d.classid = 'pg_class'::regclass AND relkind = 'S'))
  UNION ALL
  SELECT 'FUNCTION', p.oid::regprocedure::text FROM pg_proc p
  WHERE pronamespace = 'public'::regnamespace AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
  UNION ALL
  SELECT 'TYPE', t.oid::regtype::text FROM pg_type t
  WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e')
) mine \gexec
COMMIT;
SQL
  superuser=postgres
  sql -c 'DROP ROLE renaming'
fi

sql <<'SQL'
\set owner `cat /run/secrets/postgres_password`
\set monitor `cat /run/secrets/postgres_monitor_password`
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS vector;
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
SELECT 'CREATE ROLE ragbase LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ragbase') \gexec
SELECT 'CREATE ROLE monitor LOGIN CONNECTION LIMIT 5' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'monitor') \gexec
ALTER ROLE ragbase PASSWORD :'owner';
ALTER ROLE monitor PASSWORD :'monitor';
GRANT pg_monitor TO monitor;
ALTER DATABASE ragbase OWNER TO ragbase;
ALTER SCHEMA public OWNER TO pg_database_owner;
ALTER ROLE postgres PASSWORD NULL;
SQL
