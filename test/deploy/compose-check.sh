#!/usr/bin/env bash
# A day of a deployment, lived through from outside and with its real parts: deployed, upgraded, rolled back, given another
# setting and other secrets under load, its workers gone and missed, all of it killed, its tables lost and restored. Prints how many requests
# failed and how many documents were lost, which is none. Destroys the data: for a deployment made for this test, with
# ALERTMANAGER_WEBHOOK_URL=http://alert-receiver:8080/ and RATE_LIMIT_MAX=1000000 in its settings.
#   ENV_FILE=.env.production [COMPOSE_FILE=…] test/deploy/compose-check.sh [STEP…]
# Steps are the functions below, all of them by default. COMPOSE_FILE is the deployment with the proxy by default.
set -euo pipefail
cd "$(dirname "$0")/../.."

export ENV_FILE=${ENV_FILE:-.env.production}
export COMPOSE_FILE=${COMPOSE_FILE:-docker-compose.prod.yml:deploy/compose.proxy.yml}
folder=$(mktemp -d)
setting() { sed -nE "s/^$1=//p" "$ENV_FILE" | tail -n 1; }
compose() { docker compose --env-file "$ENV_FILE" "$@"; }
up() { compose up --detach --wait "$@" 2>&1 | tail -n 3; }
project=$(compose config --format json | sed -nE 's/^  "name": "(.*)",?$/\1/p')
case $COMPOSE_FILE in
*compose.proxy.yml*) port=$(setting HTTP_PORT) url=http://127.0.0.1:${port:-80} ;;
*) port=$(setting PORT) url=http://127.0.0.1:${port:-3000} ;;
esac
KEY=$(setting API_KEY | cut -d, -f1)
export KEY
api() { curl -fsS -H "X-API-Key: $KEY" "$url/api/v1$1" "${@:2}"; }
prometheus() { compose exec -T prometheus wget -qO- "http://prometheus.monitoring:9090/api/v1/query?query=$1"; }
say() { printf '%s\n' "--- $*"; }
stop() { printf '%s\n' "$*" >&2; exit 1; }
# Not `grep -q` below: it leaves early, and a broken pipe would count as a failure.
until_it() { for _ in $(seq 120); do "$@" && return; sleep 2; done; stop "never: $*"; }

find_it() {
  api /search -H 'Content-Type: application/json' -d '{"query":"how is the harbour surveyed","limit":3}' |
    grep -oE '"(documentId|chunkId|score)":[^,]+'
}
is_found() { find_it | grep documentId >/dev/null; }
survey() { api /documents -F "file=@test/fixtures/library/harbour-survey.pdf;filename=survey-$1.pdf" | sed -E 's/.*"id":"([^"]+)".*/\1/'; }
status_of() { api "/documents/$1" | sed -E 's/.*"status":"([^"]+)".*/\1/'; }
is_settled() { case $(status_of "$1") in completed | failed) ;; *) return 1 ;; esac; }
workers_up() { prometheus 'sum(up%7Bjob=%22ai-worker%22%7D)' | grep "\"$1\"\]" >/dev/null; }
all_up() { prometheus 'count(up==0)' | grep '"result":\[\]' >/dev/null; }
version_is() { curl -sS "$url/ready" | grep "\"version\":\"$1\"" >/dev/null; }
nothing_is_silenced() {
  [ -z "$(compose exec -T alertmanager amtool silence query --quiet --alertmanager.url=http://127.0.0.1:9093)" ]
}

# Of all steps together.
requests=0 failed=0 documents=0 lost=0
add_up() {
  local last
  last=$(tail -n 1 "$1")
  grep -vx "$last" "$1" || true
  say "$last"
  read -r one two three four < <(sed -E 's/requests ([0-9]+), failed ([0-9]+); documents ([0-9]+), lost ([0-9]+).*/\1 \2 \3 \4/' <<<"$last")
  requests=$((requests + one)) failed=$((failed + two)) documents=$((documents + three)) lost=$((lost + four))
}

# Some ten requests a second, from before a command until well after it, and then until their documents are done.
under_load() {
  local load
  node test/deploy/load.ts "$url" >"$folder/load" &
  load=$!
  sleep 10
  "$@"
  sleep 5
  kill -TERM "$load"
  wait "$load" || true
  add_up "$folder/load"
}

deploy_it() {
  up --build
  survey first >/dev/null
  until_it is_found
  until_it all_up
}

# The containers that no upgrade has a reason to touch, by their ids.
untouched() { compose ps --quiet postgres redis proxy prometheus alertmanager 2>/dev/null | sort; }
upgrade_it() {
  local before parts
  before=$(setting RAGBASE_VERSION) parts=$(untouched)
  under_load deploy/upgrade.sh "$before-next"
  version_is "$before-next" || stop 'another version is in force'
  nothing_is_silenced || stop 'a silence was left behind'
  say 'back'
  under_load deploy/upgrade.sh --back
  version_is "$before" || stop 'another version is in force'
  [ "$(untouched)" = "$parts" ] || stop 'an upgrade made parts anew that had not changed'
}

change_a_setting() {
  local parts
  parts=$(untouched)
  sed -i 's/^MAX_CHUNKS=.*/MAX_CHUNKS=19999/' "$ENV_FILE"
  NO_BACKUP=1 under_load deploy/upgrade.sh
  compose exec -T ai-worker printenv MAX_CHUNKS | grep -x 19999 >/dev/null || stop 'the setting is not in force'
  [ "$(untouched)" = "$parts" ] || stop 'a changed setting made parts anew that do not read it'
}

secrets() { sed -nE "s/^[A-Z_]*(KEY|TOKEN|PASSWORD)='?([^',]{8,}).*/\2/p" "$ENV_FILE"; }
shown() { compose ps --all --quiet | xargs docker inspect; for id in $(compose ps --quiet); do docker top "$id" -eo pid,args; done; }
show_no_secret() {
  [ "$(shown | grep -c redis-server)" -gt 0 ] || stop 'nothing is shown'
  if shown | grep -Ff <(secrets) >/dev/null; then stop 'a secret is shown'; fi
}

rotate_all() {
  for name in API_KEY METRICS_TOKEN INTERNAL_TOKEN POSTGRES_PASSWORD POSTGRES_MONITOR_PASSWORD REDIS_PASSWORD; do
    deploy/rotate.sh "$name" </dev/null
  done
  if compose exec -T grafana sh -c 'command -v grafana' >/dev/null; then deploy/rotate.sh GRAFANA_ADMIN_PASSWORD </dev/null; fi
}
rotate_secrets() {
  # The first one opens /metrics, which takes a restart.
  [ -n "$(setting METRICS_TOKEN)" ] || deploy/rotate.sh METRICS_TOKEN
  under_load rotate_all
  deploy/rotate.sh API_KEY --finish
  [ "$(curl -s -o /dev/null -w '%{http_code}' -H "X-API-Key: $KEY" "$url/api/v1/stats")" = 401 ] || stop 'the old key is taken'
  KEY=$(setting API_KEY)
  is_found || stop 'nothing is found with the new key'
  show_no_secret
}

miss_the_workers() {
  say 'three workers'
  up --no-recreate --scale ai-worker=3
  until_it workers_up 3
  say 'the webhook hears that none is left, and that they are back'
  docker run -d --rm --name "$project-alert-receiver" --network "${project}_alerts" --network-alias alert-receiver \
    "ragbase-backend:$(setting RAGBASE_VERSION)" node -e "
      require('node:http').createServer(async (request, response) => {
        const { alerts } = await new Response(require('node:stream').Readable.toWeb(request)).json();
        for (const { status, labels } of alerts) console.log(status, labels.alertname);
        response.end();
      }).listen(8080)" >/dev/null
  trap 'docker rm -f "$project-alert-receiver" >/dev/null 2>&1' EXIT
  compose stop ai-worker
  until_it has_heard firing WorkersDown
  up --no-recreate --scale ai-worker=3
  until_it has_heard resolved WorkersDown
  docker rm -f "$project-alert-receiver" >/dev/null
}
has_heard() { docker logs "$project-alert-receiver" 2>/dev/null | grep -x "$*" >/dev/null; }

# As when the machine goes: nothing is told beforehand. With documents in work.
kill_everything() {
  local id ids=()
  for number in $(seq 12); do ids+=("$(survey "killed-$number")"); done
  docker kill $(compose ps --quiet) >/dev/null
  up
  for id in "${ids[@]}"; do
    until_it is_settled "$id"
    documents=$((documents + 1))
    [ "$(status_of "$id")" = completed ] || lost=$((lost + 1))
  done
}

lose_the_tables() {
  local before file
  before=$(find_it)
  file=$(deploy/backup.sh "$folder")
  compose stop ai-worker $(compose config --services | grep -xE 'backend(-.+)?')
  compose exec -T postgres psql -q -U ragbase -d ragbase -c 'DROP SCHEMA public CASCADE; CREATE SCHEMA public;'
  deploy/restore.sh "$file"
  up
  [ "$(find_it)" = "$before" ] || stop 'the results differ'
}

go_down_and_up() {
  local before
  before=$(find_it)
  compose down
  up
  [ "$(find_it)" = "$before" ] || stop 'the results differ'
}

for step in ${*:-deploy_it show_no_secret upgrade_it change_a_setting rotate_secrets miss_the_workers kill_everything lose_the_tables go_down_and_up}; do
  say "$step"
  began=$SECONDS
  "$step"
  say "$step: $((SECONDS - began)) s"
done
printf 'requests %s, failed %s; documents %s, lost %s\n' "$requests" "$failed" "$documents" "$lost"
[ $((failed + lost)) -eq 0 ]
