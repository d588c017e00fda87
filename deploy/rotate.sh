#!/usr/bin/env bash
# Gives a secret of .env.production a new value, everywhere at once, while all is running.
#   deploy/rotate.sh NAME            a random one; those of others (EMBEDDING_API_KEY, ALERT_WEBHOOK_URL,
#                                    ALERTMANAGER_WEBHOOK_URL) are read from standard input
#   deploy/rotate.sh NAME --finish   API_KEY and METRICS_TOKEN: the newest alone is taken from now on
# Interrupted, it is run again. ENV_FILE and COMPOSE_FILE (as Docker Compose reads it) say which deployment.
set -euo pipefail
umask 077
cd "$(dirname "$0")/.."

file=${ENV_FILE:-.env.production}
export COMPOSE_FILE=${COMPOSE_FILE:-docker-compose.prod.yml}
name=${1:-}
finish=${2:-}

say() { printf '%s\n' "$*"; }
stop() { printf '%s\n' "$*" >&2; exit 1; }
compose() { docker compose --env-file "$file" "$@"; }
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

[ -w "$file" ] || stop "$file can't be written"
case $finish in '') ;; --finish) ;; *) stop "usage: deploy/rotate.sh NAME [--finish]" ;; esac

# What a setting is now, without its quotes.
value() {
  local text
  text=$(sed -n "s/^$name=//p" "$file" | tail -n 1)
  case $text in \'*\' | \"*\") text=${text#?} text=${text%?} ;; esac
  printf %s "$text"
}

# Sets it, in single quotes where it is more than letters and digits; never as an argument, which others could see.
set_value() {
  local text=$1 draft
  case $text in *\'*) stop "$name: a value with a single quote can't be written" ;; *[!A-Za-z0-9,]*) text="'$text'" ;; esac
  draft=$(mktemp "$file.XXXXXX")
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in "$name="*) printf '%s=%s\n' "$name" "$text" ;; *) printf '%s\n' "$line" ;; esac
  done <"$file" >"$draft"
  grep -q "^$name=" "$draft" || printf '%s=%s\n' "$name" "$text" >>"$draft"
  mv "$draft" "$file"
}

# Writes the files anew that the containers read.
hand_out() { compose up --detach --wait --no-deps --force-recreate secrets >/dev/null 2>&1 || compose up --no-deps --force-recreate secrets >/dev/null 2>&1; }

# Longer than the processes take to look at a file again.
take_effect() { sleep 6; }

# Of these services those that run; of backends all that there are.
running() { compose ps --services | grep -xE "$(printf '%s|' "${@/%backend/backend(-.+)?}")-"; }

# One container after the other, each ready before the next.
restart() {
  local service id began
  for service in $(running "$@"); do
    for id in $(compose ps --quiet "$service"); do
      began=$SECONDS
      docker restart --time 50 "$id" >/dev/null
      for _ in $(seq 120); do
        case $(docker inspect --format '{{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}' "$id") in
        healthy | running) break ;;
        esac
        sleep 1
      done
      say "$service: restarted in $((SECONDS - began)) s"
    done
  done
}

case $name in
API_KEY | METRICS_TOKEN)
  now=$(value)
  if [ "$finish" = --finish ]; then
    set_value "${now%%,*}"
    hand_out
    take_effect
    say "$name: the newest alone is taken"
  else
    was_set=$now
    set_value "$(random)${now:+,$now}"
    hand_out
    take_effect
    # Without any, the series were hidden, which is decided at the start.
    [ -n "$was_set" ] || restart backend
    say "$name: the new one stands first in $file; those before are taken too. When nobody uses them any more:"
    say "  deploy/rotate.sh $name --finish"
  fi ;;
INTERNAL_TOKEN)
  now=$(value) new=$(random)
  # Each takes all, and sends the first: so nobody ever sends what another does not take.
  for step in "${now%%,*},$new" "$new,${now%%,*}" "$new"; do
    set_value "$step"
    hand_out
    take_effect
  done
  say 'INTERNAL_TOKEN: the new one is in force' ;;
POSTGRES_PASSWORD | POSTGRES_MONITOR_PASSWORD)
  set_value "$(random)"
  hand_out
  # Connections go on; each new one asks for the password of now.
  compose exec -T postgres /docker-entrypoint-initdb.d/10-roles.sh
  [ "$name" = POSTGRES_PASSWORD ] || restart postgres-exporter
  say "$name: the new one is in force" ;;
REDIS_PASSWORD)
  new=$(random)
  redis() { compose exec -T redis sh -c 'REDISCLI_AUTH=$(cat /run/secrets/redis_password) redis-cli' | grep -x OK >/dev/null; }
  # Both are right until everybody has the new one.
  printf 'ACL SETUSER default >%s\n' "$new" | redis
  set_value "$new"
  hand_out
  restart backend ai-worker redis-exporter
  printf 'ACL SETUSER default resetpass >%s\n' "$new" | redis
  say 'REDIS_PASSWORD: the new one alone is taken' ;;
GRAFANA_ADMIN_PASSWORD)
  set_value "$(random)"
  hand_out
  compose exec -T grafana sh -c 'grafana cli admin reset-admin-password --password-from-stdin </run/secrets/grafana_admin_password' >/dev/null
  say 'GRAFANA_ADMIN_PASSWORD: the new one is in force' ;;
EMBEDDING_API_KEY | ALERT_WEBHOOK_URL | ALERTMANAGER_WEBHOOK_URL)
  if [ -t 0 ]; then printf '%s: ' "$name" >&2; fi
  IFS= read -r given || [ -n "$given" ] || stop "$name: nothing was given"
  set_value "$given"
  hand_out
  case $name in
  EMBEDDING_API_KEY) restart backend ai-worker ;;
  ALERT_WEBHOOK_URL) restart backend ;;
  ALERTMANAGER_WEBHOOK_URL) restart alertmanager ;;
  esac
  say "$name: the new one is in force" ;;
*) stop 'usage: deploy/rotate.sh API_KEY|METRICS_TOKEN [--finish], INTERNAL_TOKEN, POSTGRES_PASSWORD, POSTGRES_MONITOR_PASSWORD,
  REDIS_PASSWORD, GRAFANA_ADMIN_PASSWORD, EMBEDDING_API_KEY, ALERT_WEBHOOK_URL or ALERTMANAGER_WEBHOOK_URL' ;;
esac
