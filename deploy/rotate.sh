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
stop() { printf '%s\n' "$@" >&2; exit 1; }
compose() { docker compose --env-file "$file" "$@"; }
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

[ -w "$file" ] || stop "$file can't be written"
# Or the draft would take the place of a link, and what it leads to would stay.
file=$(readlink -f "$file")
case $finish in '') ;; --finish) ;; *) stop "usage: deploy/rotate.sh NAME [--finish]" ;; esac

# What a setting is now, without its quotes.
value() {
  local text
  text=$(sed -n "s/^${1:-$name}=//p" "$file" | tail -n 1)
  case $text in \'*\' | \"*\") text=${text#?} text=${text%?} ;; esac
  printf %s "$text"
}

# Sets it, in single quotes where it is more than letters and digits; never as an argument, which others could see.
set_value() {
  local text=$1
  case $text in *\'*) stop "$name: a value with a single quote can't be written" ;; *[!A-Za-z0-9,]*) text="'$text'" ;; esac
  draft=$(mktemp "$file.XXXXXX")
  trap 'rm -f "$draft"' EXIT
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in "$name="*) printf '%s=%s\n' "$name" "$text" ;; *) printf '%s\n' "$line" ;; esac
  done <"$file" >"$draft"
  grep -q "^$name=" "$draft" || printf '%s=%s\n' "$name" "$text" >>"$draft"
  mv "$draft" "$file"
}

# Writes the files anew that the containers read, and waits until that is done.
hand_out() {
  local said
  said=$(compose up --detach --no-deps --force-recreate secrets 2>&1) &&
    [ "$(docker wait "$(compose ps --all --quiet secrets)")" = 0 ] ||
    stop 'the secrets could not be handed out; put that right and run this again:' "$said"
}

# Longer than the processes take to look at a file again.
take_effect() { sleep 6; }

# Of these services those that run; of backends all that there are.
running() { compose ps --services | grep -xE "$(printf '%s|' "${@/%backend/backend(-.+)?}")-"; }

# One container after the other, each well before the next.
restart() {
  local service id began
  for service in $(running "$@"); do
    for id in $(compose ps --quiet "$service"); do
      began=$SECONDS
      docker restart --time 50 "$id" >/dev/null
      until case $(docker inspect --format '{{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}' "$id") in
        healthy | running) true ;; *) false ;;
      esac; do
        [ $((SECONDS - began)) -lt 180 ] || stop "$service does not become well: see docker logs $id, then run this again"
        sleep 1
      done
      say "$service: restarted in $((SECONDS - began)) s"
    done
  done
}

# Docker Compose would take it rather than the file's.
[ -z "$name" ] || [ -z "${!name+set}" ] || stop "$name is set in this shell: unset $name"
# What another than ours knows is exchanged there.
ours() {
  local setting
  for setting; do [ -z "$(value "$setting")" ] || stop "$setting is set: exchange the password there, and then in $file"; done
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
  # Interrupted before: some may not have read yet what the file holds.
  case $now in *,*) hand_out; take_effect ;; esac
  # Each takes all, and sends the first: so nobody ever sends what another does not take.
  for step in "${now%%,*},$new" "$new,${now%%,*}" "$new"; do
    set_value "$step"
    hand_out
    take_effect
  done
  say 'INTERNAL_TOKEN: the new one is in force' ;;
POSTGRES_PASSWORD | POSTGRES_MONITOR_PASSWORD)
  [ "$name" = POSTGRES_MONITOR_PASSWORD ] || ours DATABASE_URL DATABASE_PASSWORD
  set_value "$(random)"
  hand_out
  # Connections go on; each new one uses what the file holds, for some seconds again and again if that is refused.
  compose exec -T postgres /docker-entrypoint-initdb.d/10-roles.sh
  [ "$name" = POSTGRES_PASSWORD ] || restart postgres-exporter
  say "$name: the new one is in force" ;;
REDIS_PASSWORD)
  ours REDIS_URL
  new=$(random)
  redis() { compose exec -T redis sh -c 'REDISCLI_AUTH=$(cat /run/secrets/redis_password) redis-cli' | grep -x OK >/dev/null ||
    stop 'Redis does not take it; when it does, run this again'; }
  # Both are right until everybody has the new one.
  printf 'ACL SETUSER default >%s\n' "$new" | redis
  set_value "$new"
  # Connections go on, and each new one uses what the file holds; the exporter reads it at its start.
  hand_out
  restart redis-exporter
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
  EMBEDDING_API_KEY) ;;
  ALERT_WEBHOOK_URL) restart backend ;;
  ALERTMANAGER_WEBHOOK_URL) restart alertmanager ;;
  esac
  say "$name: the new one is in force" ;;
*) stop 'usage: deploy/rotate.sh API_KEY|METRICS_TOKEN [--finish], INTERNAL_TOKEN, POSTGRES_PASSWORD, POSTGRES_MONITOR_PASSWORD,
  REDIS_PASSWORD, GRAFANA_ADMIN_PASSWORD, EMBEDDING_API_KEY, ALERT_WEBHOOK_URL or ALERTMANAGER_WEBHOOK_URL' ;;
esac
