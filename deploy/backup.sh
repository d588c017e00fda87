#!/usr/bin/env bash
# Backs up the database: a consistent dump, checked, then moved into place.
#   deploy/backup.sh [FOLDER=backups]        through docker compose, with .env.production
#   DATABASE_URL=postgres://… deploy/backup.sh FOLDER     of any other Postgres; also DATABASE_URL_FILE, DATABASE_PASSWORD(_FILE)
# Redis needs no backup: the queue is rebuilt from Postgres.
set -euo pipefail
umask 077

. "$(dirname "$0")/database.sh"

folder=${1:-backups}
keep_days=${BACKUP_KEEP_DAYS:-14}
file=$folder/ragbase-$(date -u +%Y%m%dT%H%M%SZ).dump
mkdir -p "$folder"
trap 'rm -f "$file.part"' EXIT

compose() { docker compose --env-file "${ENV_FILE:-.env.production}" -f docker-compose.prod.yml "$@"; }
dump=(pg_dump --format=custom --no-owner --no-privileges)
if [ -n "$database" ]; then
  "${dump[@]}" --dbname="$database" >"$file.part"
  pg_restore --list <"$file.part" >/dev/null
else
  compose exec -T postgres "${dump[@]}" --username=ragbase --dbname=ragbase >"$file.part"
  compose exec -T postgres pg_restore --list <"$file.part" >/dev/null
fi
mv "$file.part" "$file"
find "$folder" -name 'ragbase-*.dump' -mtime "+$keep_days" -delete
echo "$file"
