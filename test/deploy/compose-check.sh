#!/usr/bin/env bash
# Checks a deployment that runs, from outside and with its real parts: upload and search by the
# published port, every target up, three workers, an alert for workers that are gone, a backup that
# is restored after the data is gone. Destroys the data: for a deployment made for this test, with
# ALERTMANAGER_WEBHOOK_URL=http://alert-receiver:8080/ in its settings.
#   ENV_FILE=.env.production [OVERRIDE=more.yml] test/deploy/compose-check.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

export ENV_FILE=${ENV_FILE:-.env.production}
setting() { sed -nE "s/^$1=//p" "$ENV_FILE"; }
compose() { docker compose --env-file "$ENV_FILE" -f docker-compose.prod.yml ${OVERRIDE:+-f "$OVERRIDE"} "$@"; }
api() { curl -fsS -H "X-API-Key: $(setting API_KEY | cut -d, -f1)" "http://127.0.0.1:$(setting PORT)/api/v1$1" "${@:2}"; }
prometheus() { compose exec -T prometheus wget -qO- "http://prometheus.monitoring:9090/api/v1/query?query=$1"; }
step() { printf '%s\n' "--- $*"; }
# Not `grep -q` below: it leaves early, and a broken pipe would count as a failure.
until_it() { for _ in $(seq 120); do "$@" && return; sleep 2; done; echo "never: $*" >&2; return 1; }
find_it() {
  api /search -H 'Content-Type: application/json' -d '{"query":"how is the harbour surveyed","limit":3}' |
    grep -oE '"(documentId|chunkId|score)":[^,]+'
}
is_found() { find_it | grep documentId >/dev/null; }
workers_up() { prometheus 'sum(up%7Bjob=%22ai-worker%22%7D)' | grep "\"$1\"\]" >/dev/null; }
all_up() { prometheus 'count(up==0)' | grep '"result":\[\]' >/dev/null; }

step 'upload and search'
api /documents -F file=@test/fixtures/library/harbour-survey.pdf >/dev/null
until_it is_found
before=$(find_it)

step 'every target is up'
until_it all_up

step 'three workers'
compose up -d --wait --no-recreate --scale ai-worker=3
until_it workers_up 3

step 'the webhook hears that no worker is left, and that they are back'
project=$(compose config --format json | sed -nE 's/^  "name": "(.*)",?$/\1/p')
docker run -d --rm --name "$project-alert-receiver" --network "${project}_alerts" --network-alias alert-receiver \
  "$(compose images -q backend | head -1)" node -e "
    require('node:http').createServer(async (request, response) => {
      const { alerts } = await new Response(require('node:stream').Readable.toWeb(request)).json();
      for (const { status, labels } of alerts) console.log(status, labels.alertname);
      response.end();
    }).listen(8080)" >/dev/null
trap 'docker rm -f "$project-alert-receiver" >/dev/null 2>&1' EXIT
has_heard() { docker logs "$project-alert-receiver" 2>/dev/null | grep -x "$*" >/dev/null; }
compose stop ai-worker
until_it has_heard firing WorkersDown
compose up -d --wait --no-recreate --scale ai-worker=3
until_it has_heard resolved WorkersDown
docker rm -f "$project-alert-receiver" >/dev/null

step 'backup, loss of every table, restore'
file=$(deploy/backup.sh "$(mktemp -d)")
compose stop ai-worker backend
compose exec -T postgres psql -q -U ragbase -d ragbase -c 'DROP SCHEMA public CASCADE; CREATE SCHEMA public;'
deploy/restore.sh "$file"
compose up -d --wait
[ "$(find_it)" = "$before" ] || { echo 'the results differ' >&2; exit 1; }

step 'down and up: the data is there'
compose down
compose up -d --wait
[ "$(find_it)" = "$before" ] || { echo 'the results differ' >&2; exit 1; }
echo 'all is well'
