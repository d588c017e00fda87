#!/usr/bin/env bash
# Puts a backup in the place of the database, which is emptied. Stop the services first.
#   deploy/restore.sh FILE                   through docker compose, with .env.production
#   DATABASE_URL=postgres://… deploy/restore.sh FILE      into any other Postgres
# All or nothing: after an error the database is what it was.
set -euo pipefail

file=${1:?usage: deploy/restore.sh FILE}
[ -r "$file" ] || { echo "$file can't be read" >&2; exit 1; }

compose() { docker compose --env-file "${ENV_FILE:-.env.production}" -f docker-compose.prod.yml "$@"; }
restore=(pg_restore --clean --if-exists --no-owner --no-privileges --single-transaction --exit-on-error)
if [ -n "${DATABASE_URL:-}" ]; then
  "${restore[@]}" --dbname="$DATABASE_URL" <"$file"
else
  running=$(compose ps --status running --services | grep -xE 'backend|ai-worker' || true)
  if [ -n "$running" ]; then
    echo "stop the services first: docker compose … stop ai-worker backend" >&2
    exit 1
  fi
  compose exec -T postgres "${restore[@]}" --username=ragbase --dbname=ragbase <"$file"
fi
echo "restored $file"
