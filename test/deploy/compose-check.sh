#!/usr/bin/env bash
# Checks a deployment that runs, from outside and with its real parts: upload and search by the
# published port, every target up, no secret in sight, each of them rotated under load, three workers,
# an alert for workers that are gone, a backup that is restored after the data is gone. Destroys the data: for a deployment made for this test, with
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

step 'every target is up'
until_it all_up

step 'no secret is shown by docker inspect, nor as an argument of a process'
secrets() { sed -nE "s/^[A-Z_]*(KEY|TOKEN|PASSWORD)='?([^',]{8,}).*/\2/p" "$ENV_FILE"; }
shown() { compose ps --all --quiet | xargs docker inspect; for id in $(compose ps --quiet); do docker top "$id" -eo pid,args; done; }
[ "$(shown | grep -c redis-server)" -gt 0 ]
if shown | grep -Ff <(secrets) >/dev/null; then echo 'a secret is shown' >&2; exit 1; fi

step 'each secret is rotated under load'
rotate() { COMPOSE_FILE=docker-compose.prod.yml${OVERRIDE:+:$OVERRIDE} deploy/rotate.sh "$@" </dev/null; }
# The first one opens /metrics, which takes a restart.
[ -n "$(setting METRICS_TOKEN)" ] || rotate METRICS_TOKEN
old=$(setting API_KEY)
outcomes=$(mktemp)
ask() { curl -s -o /dev/null -w '%{http_code}\n' -m 20 -H "X-API-Key: ${old%%,*}" "http://127.0.0.1:$(setting PORT)/api/v1$1" "${@:2}"; }
while :; do
  ask /documents?limit=1 || true
  ask /search -H 'Content-Type: application/json' -d '{"query":"how is the harbour surveyed"}' || true
done >"$outcomes" &
load=$!
for name in API_KEY METRICS_TOKEN INTERNAL_TOKEN POSTGRES_PASSWORD POSTGRES_MONITOR_PASSWORD REDIS_PASSWORD; do
  rotate "$name"
  text="after $name $(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')"
  id=$(api /documents -H 'Content-Type: application/json' -d "{\"name\":\"a.txt\",\"content\":\"$text\"}" |
    sed -E 's/.*"id":"([^"]+)".*/\1/')
  is_completed() { api "/documents/$id" | grep '"status":"completed"' >/dev/null; }
  until_it is_completed
  api "/documents/$id" -X DELETE
done
if compose exec -T grafana sh -c 'command -v grafana' >/dev/null; then rotate GRAFANA_ADMIN_PASSWORD; fi
kill "$load"
wait "$load" 2>/dev/null || true
failed=$(grep -cvx 200 "$outcomes" || true)
echo "$(grep -cx 200 "$outcomes") requests, $failed failed"
[ "$failed" = 0 ]
rotate API_KEY --finish
[ "$(ask /stats)" = 401 ]
until_it is_found
if shown | grep -Ff <(secrets) >/dev/null; then echo 'a secret is shown' >&2; exit 1; fi

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
before=$(find_it)
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
