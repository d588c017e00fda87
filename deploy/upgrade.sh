#!/usr/bin/env bash
# Puts another version, or changed settings, in force while all is running.
#   deploy/upgrade.sh              what is checked out here now, and .env.production as it is now
#   deploy/upgrade.sh VERSION      the same, under this version (RAGBASE_VERSION is written to .env.production)
#   deploy/upgrade.sh --back       the version and the settings that were in force before; secrets stay as they are now
# The database is backed up first (NO_BACKUP=1: not). Backends go one after the other, each drained and the next one ready
# before; then the workers, whose documents are taken up again, one after the other too. What else did not change is left alone. Alerts about what is
# planned are silent meanwhile. Interrupted, it is run again.
# ENV_FILE and COMPOSE_FILE (as Docker Compose reads it) say which deployment:
#   COMPOSE_FILE=docker-compose.prod.yml:deploy/compose.proxy.yml deploy/upgrade.sh
set -euo pipefail
umask 077
cd "$(dirname "$0")/.."

export ENV_FILE=${ENV_FILE:-.env.production}
export COMPOSE_FILE=${COMPOSE_FILE:-docker-compose.prod.yml}
# What was in force at the end of the last one of these, and of the one before. Written when all is done: an interrupted one
# is run again with the same outcome, --back too.
in_force=$ENV_FILE.in-force
before=$ENV_FILE.before
say() { printf '%s\n' "$*"; }
stop() { printf '%s\n' "$*" >&2; exit 1; }
compose() { docker compose --env-file "$ENV_FILE" "$@"; }
# Compose tells its steps on standard error, thousands of lines of them.
quietly() { local told; told=$("$@" 2>&1) || { printf '%s\n' "$told" | tail -n 30 >&2; return 1; }; }
setting() { sed -n "s/^$1=//p" "$ENV_FILE" | tail -n 1; }
services() { compose config --services | grep -xE "$1" | sort; }

# Writes the settings anew, of which one reader or another may never see half.
replace_settings() { local draft; draft=$(mktemp "$ENV_FILE.XXXXXX"); cat >"$draft"; mv "$draft" "$ENV_FILE"; }
# Containers have the secrets of now, and Postgres has its password: older ones would open nothing.
secrets='^(API_KEY|INTERNAL_TOKEN|METRICS_TOKEN|EMBEDDING_API_KEY|ALERT_WEBHOOK_URL|ALERTMANAGER_WEBHOOK_URL|[A-Z_]*PASSWORD)='
[ -e "$in_force" ] || cp -p "$ENV_FILE" "$in_force"

build=--build
case ${1:-} in
--back)
  [ -e "$before" ] || stop "$before: there is nothing to go back to"
  { grep -vE "$secrets" "$before"; grep -E "$secrets" "$ENV_FILE"; } | replace_settings
  docker image inspect "ragbase-backend:$(setting RAGBASE_VERSION)" >/dev/null 2>&1 || stop "the image of $(setting RAGBASE_VERSION) is gone: check its tag out, and run this without --back"
  build=--no-build ;;
-*) stop "usage: deploy/upgrade.sh [VERSION | --back]" ;;
'') ;;
*)
  [ "$(setting RAGBASE_VERSION)" = "$1" ] ||
    { grep -v '^RAGBASE_VERSION=' "$ENV_FILE" || true; printf 'RAGBASE_VERSION=%s\n' "$1"; } | replace_settings ;;
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
# From the end of a service's old container until its new one was ready, in seconds.
gap() {
  docker events --since "$2" --until "$(date +%s)" --filter type=container --filter "label=com.docker.compose.service=$1" \
    --filter "label=com.docker.compose.project=$project" --format '{{.TimeNano}} {{.Action}}' |
    awk '$2 == "die" { died = $1 } / healthy$/ { ready = $1 } END { printf "%d", (ready - died) / 1e9 + 1 }'
}
project=$(compose config --format json | sed -nE 's/^  "name": "(.*)",?$/\1/p')
for service in $backends; do
  if ! changed "$service" | grep -- "-$service-" >/dev/null; then say "$service: as it is"; continue; fi
  one=$SECONDS since=$(date +%s)
  for_all "$service"
  say "$service: exchanged in $((SECONDS - one)) s"
done
case $backends in
*-*) ;;
*) [ -z "${since:-}" ] || say "There is one backend, and so a gap of $(gap backend "$since") s at most. For none, see deploy/compose.proxy.yml." ;;
esac
workers=$(compose ps --quiet ai-worker)
count=$(printf '%s\n' "$workers" | wc -l)
if changed --scale "ai-worker=$count" ai-worker | grep -- -ai-worker- >/dev/null; then
  for id in $workers; do
    # Compose would stop all of them at once.
    docker stop "$id" >/dev/null && docker rm "$id" >/dev/null
    for_all --no-recreate --scale "ai-worker=$count" ai-worker
  done
  say "ai-worker: $count exchanged"
else
  for_all --scale "ai-worker=$count" ai-worker
fi
if [ -n "$(services proxy)" ]; then
  if changed proxy | grep -- -proxy- >/dev/null; then
    say 'proxy: its own definition changed, and so it is away for seconds'
    for_all proxy
  else
    quietly compose exec -T proxy caddy reload --config /etc/caddy/Caddyfile
  fi
fi
if ! diff <(grep -vE "$secrets" "$in_force") <(grep -vE "$secrets" "$ENV_FILE") >/dev/null; then
  mv "$in_force" "$before"
fi
cp -p "$ENV_FILE" "$in_force"
say "$(setting RAGBASE_VERSION) is in force after $((SECONDS - began)) s; back with: deploy/upgrade.sh --back"
