#!/usr/bin/env bash
# Puts another version, or changed settings, in force while all is running.
#   deploy/upgrade.sh              what is checked out here now, and .env.production as it is now
#   deploy/upgrade.sh VERSION      the same, under this version (RAGBASE_VERSION is written to .env.production)
#   deploy/upgrade.sh --back       the images and the settings before the last one of these
# The database is backed up first (NO_BACKUP=1: not). Backends go one after the other, each drained and the next one ready
# before; then the workers, whose documents are taken up again. What else did not change is left alone. Alerts about what is
# planned are silent meanwhile. Interrupted, it is run again.
# ENV_FILE and COMPOSE_FILE (as Docker Compose reads it) say which deployment:
#   COMPOSE_FILE=docker-compose.prod.yml:deploy/compose.proxy.yml deploy/upgrade.sh
set -euo pipefail
umask 077
cd "$(dirname "$0")/.."

export ENV_FILE=${ENV_FILE:-.env.production}
export COMPOSE_FILE=${COMPOSE_FILE:-docker-compose.prod.yml}
before=$ENV_FILE.before
say() { printf '%s\n' "$*"; }
stop() { printf '%s\n' "$*" >&2; exit 1; }
compose() { docker compose --env-file "$ENV_FILE" "$@"; }
# Compose tells its steps on standard error, thousands of lines of them.
quietly() { local told; told=$("$@" 2>&1) || { printf '%s\n' "$told" | tail -n 30 >&2; return 1; }; }
setting() { sed -n "s/^$1=//p" "$ENV_FILE" | tail -n 1; }
services() { compose config --services | grep -xE "$1" | sort; }

build=--build
case ${1:-} in
--back)
  [ -e "$before" ] || stop "$before: there is nothing to go back to"
  cp -p "$ENV_FILE" "$ENV_FILE.now"
  mv "$before" "$ENV_FILE"
  mv "$ENV_FILE.now" "$before"
  docker image inspect "ragbase-backend:$(setting RAGBASE_VERSION)" >/dev/null 2>&1 || stop "the image of $(setting RAGBASE_VERSION) is gone: check its tag out, and run this without --back"
  build=--no-build ;;
-*) stop "usage: deploy/upgrade.sh [VERSION | --back]" ;;
'') ;;
*)
  if [ "$(setting RAGBASE_VERSION)" != "$1" ]; then
    cp -p "$ENV_FILE" "$before"
    draft=$(mktemp "$ENV_FILE.XXXXXX")
    { grep -v '^RAGBASE_VERSION=' "$before" || true; printf 'RAGBASE_VERSION=%s\n' "$1"; } >"$draft"
    mv "$draft" "$ENV_FILE"
  fi ;;
esac
quietly deploy/configure.sh --check --file "$ENV_FILE"
[ -n "$(compose ps --quiet postgres)" ] || stop 'nothing runs here yet: docker compose … up -d --build --wait'

began=$SECONDS
if [ "$build" = --build ]; then
  [ -n "${NO_BACKUP:-}" ] || say "backed up: $(deploy/backup.sh)"
  say 'building'
  quietly compose build
fi

# What is away for a while because it was asked to be. The watchdog goes on, and so does what speaks of documents.
silence=
silence_alerts() {
  silence=$(compose exec -T alertmanager amtool silence add --alertmanager.url=http://127.0.0.1:9093 --author=upgrade.sh \
    --comment='planned: deploy/upgrade.sh' --duration=30m 'alertname=~"(Backend|Workers|Target|Postgres|Redis)Down|RateLimitOpen|QueueUnknown"' 2>/dev/null) ||
    say 'alerts could not be silenced: Alertmanager does not answer'
}
unsilence() {
  [ -z "$silence" ] || compose exec -T alertmanager amtool silence expire --alertmanager.url=http://127.0.0.1:9093 "$silence" >/dev/null 2>&1 || true
}
trap unsilence EXIT
silence_alerts

# Started anew if they changed, and only then. With what they depend on, which has had its turn: without (--no-deps), some
# versions of Compose take every service for changed.
for_all() { quietly compose up --detach --wait --no-build "$@"; }
changed() {
  compose --dry-run up --detach --no-build "$@" 2>&1 | grep -oE 'Container [^ ]+ +Recreate$' | awk '{ print $2 }' | sort -u
}

quietly compose up --no-deps --force-recreate secrets
away=$(changed $(services 'postgres|redis') | grep -v -- '-secrets-' || true)
[ -z "$away" ] || say "changed, and so away for seconds: $(printf '%s ' $away)"
for_all $(services 'postgres|redis')
others=$(services '.+' | grep -vxE 'secrets|postgres|redis|backend(-.+)?|ai-worker|proxy|volume-owner')
for_all $others

backends=$(services 'backend(-.+)?')
for service in $backends; do
  if ! changed "$service" | grep -- "-$service-" >/dev/null; then say "$service: as it is"; continue; fi
  one=$SECONDS
  for_all "$service"
  say "$service: exchanged in $((SECONDS - one)) s"
done
case $backends in
*-*) ;;
*) say 'There is one backend: it was away from the end of its last request until it was ready. For none, see deploy/compose.proxy.yml.' ;;
esac
workers=$(compose ps --quiet ai-worker | wc -l)
for_all --scale "ai-worker=$((workers > 0 ? workers : 1))" ai-worker
say 'ai-worker: exchanged'
if [ -n "$(services proxy)" ]; then
  if changed proxy | grep -- -proxy- >/dev/null; then
    say 'proxy: its own definition changed, and so it is away for seconds'
    for_all proxy
  else
    quietly compose exec -T proxy caddy reload --config /etc/caddy/Caddyfile
  fi
fi
say "$(setting RAGBASE_VERSION) is in force after $((SECONDS - began)) s; back with: deploy/upgrade.sh --back"
