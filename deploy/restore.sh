#!/usr/bin/env bash
# Puts a backup in the place of the database, which is emptied. Stop the services first.
#   deploy/restore.sh FILE                   through docker compose, with .env.production
#   DATABASE_URL=postgres://… deploy/restore.sh FILE      into any other Postgres; also DATABASE_URL_FILE, DATABASE_PASSWORD(_FILE)
# All or nothing: after an error the database is what it was.
set -euo pipefail

. "$(dirname "$0")/database.sh"

file=${1:?usage: deploy/restore.sh FILE}
[ -r "$file" ] || { echo "$file can't be read" >&2; exit 1; }

compose() { docker compose --env-file "${ENV_FILE:-.env.production}" -f docker-compose.prod.yml "$@"; }
extension='CREATE EXTENSION IF NOT EXISTS vector'
# The extension stays as it is: only a superuser may drop it, and the database's owner need not be one.
without_extensions() { grep -v ' EXTENSION '; }
restore=(pg_restore --clean --if-exists --no-owner --no-privileges --single-transaction --exit-on-error)
if [ -n "$database" ]; then
  list=$(mktemp)
  trap 'rm -f "$list"' EXIT
  pg_restore --list <"$file" | without_extensions >"$list"
  psql --quiet --set=ON_ERROR_STOP=1 --command="$extension" "$database" 2>/dev/null ||
    { echo "the database has no extension vector; run in it as a superuser: CREATE EXTENSION vector" >&2; exit 1; }
  "${restore[@]}" --use-list="$list" --dbname="$database" <"$file"
else
  running=$(compose ps --status running --services | grep -xE 'backend(-.+)?|ai-worker' || true)
  if [ -n "$running" ]; then
    echo "stop the services first: docker compose … stop ai-worker backend" >&2
    exit 1
  fi
  list=$(compose exec -T postgres pg_restore --list <"$file" | without_extensions)
  # As the superuser, whichever of the two it is: see deploy/postgres/10-roles.sh.
  compose exec -T postgres sh -c 'for user in postgres ragbase; do
    psql --quiet --username=$user --dbname=ragbase --command="$1" && exit; done; exit 1' sh "$extension" >/dev/null 2>&1 </dev/null
  compose exec -T postgres sh -c 'printf "%s\n" "$1" >/tmp/restore.list; shift; exec "$@"' sh "$list" \
    "${restore[@]}" --use-list=/tmp/restore.list --username=ragbase --dbname=ragbase <"$file"
fi
echo "restored $file"
