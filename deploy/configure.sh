#!/usr/bin/env bash
# Makes the file with the settings of a deployment, and checks one before anything starts.
# Needs bash and nothing else: a machine with Docker need not have Node. Written for bash 3.2 and later.
set -euo pipefail
export LC_ALL=C
umask 077
# The terminal, where there is one: loops below read files on 0.
exec 4<&0
root=$(cd "$(dirname "$0")/.." && pwd)
example=$root/.env.production.example
file=.env.production

usage() {
  cat <<'TEXT'
deploy/configure.sh [--check] [--file FILE] [NAME=VALUE …]

Makes .env.production: a random secret for each that is needed, answers for the rest. A value comes from
NAME=VALUE, from the environment (what must be set, and the questions), or from whoever sits at the terminal.
Where the file exists, what it holds stays: what is missing, or still a placeholder, is added. Then it is checked.

  --check       change nothing: only say what is wrong, all of it, by line
  --file FILE   another file
  --help

Ends with status 0 where the file can be used, 1 where it can't, 2 where the command is wrong. No value is shown.
TEXT
}

# Asked where nobody has said it: what no default can know.
questions=(ALERTMANAGER_WEBHOOK_URL PUBLISH_ADDRESS)
question_of() {
  case $1 in
  ALERTMANAGER_WEBHOOK_URL)
    echo 'Where do alerts go? The webhook of Slack, Discord, Teams or a program of yours, a PagerDuty integration key, or none' ;;
  PUBLISH_ADDRESS)
    echo 'Where is the API reached? 127.0.0.1 where a proxy on this machine ends TLS, 0.0.0.0 for every address' ;;
  esac
}

# As the service itself judges, which would not start.
is_placeholder() { case $(printf %s "$1" | tr 'A-Z' 'a-z') in *change-me* | *changeme* | *placeholder* | *\<?*\>*) true ;; *) false ;; esac; }
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
# The line of a file that sets a name, as it stands; its value without quotes.
line_of() { sed -n "s/^$2=//p" "$1" | tail -n 1; }
bare() {
  local value=${1%$'\r'}
  case $value in \'*\' | \"*\") value=${value#?} value=${value%?} ;; esac
  printf %s "$value"
}
names_of() { sed -nE 's/^([A-Za-z_][A-Za-z0-9_]*)=.*/\1/p' "$1"; }
# Whose placeholder the example holds: nothing starts without them.
required() { sed -nE 's/^([A-Z_]+)=.*change-me.*/\1/p' "$example"; }
is_among() { local wanted=$1 one; shift; for one; do [ "$one" = "$wanted" ] && return; done; return 1; }

# --- Writing ---

# A value so that Docker Compose, Node and a shell read it alike; status 1 where no way of writing it does.
quoted() {
  case $1 in
  *$'\n'* | *$'\r'*) return 1 ;;
  '' | *[!A-Za-z0-9_./:@%+,=~^!*\&\;\|\<\>\(\){}\[\]?-]*) ;;
  *) printf %s "$1"; return ;;
  esac
  case $1 in
  *\'*\"* | *\"*\'*) return 1 ;;
  *\'*) case $1 in *[\$\\\`]*) return 1 ;; *) printf '"%s"' "$1" ;; esac ;;
  *\\) return 1 ;;
  '') ;;
  *) printf "'%s'" "$1" ;;
  esac
}

# What the command line or the environment says of a name; status 1 where neither does.
given() {
  local pair
  for pair in ${pairs[@]+"${pairs[@]}"}; do
    [ "${pair%%=*}" = "$1" ] && { printf %s "${pair#*=}"; return; }
  done
  is_among "$1" $(required) "${questions[@]}" && [ -n "${!1:-}" ] && printf %s "${!1}"
}

ask() {
  local answer
  [ -t 4 ] && [ -t 2 ] || return 1
  printf '%s\n%s [%s]: ' "$(question_of "$1")" "$1" "$2" >&2
  IFS= read -r answer <&4 || return 1
  printf %s "${answer:-$2}"
}

# The value that a line of the example becomes, written as it will stand in the file.
value_for() {
  local name=$1 default=$2 value
  if value=$(given "$name"); then :
  elif is_among "$name" "${questions[@]}"; then
    is_placeholder "$default" && default=none
    value=$(ask "$name" "$default") || value=$2
  elif is_placeholder "$default"; then value=$(random)
  else value=$default; printf %s "$value"; return; fi
  quoted "$value" || { echo "$name: can't be written so that all read it alike; leave out line breaks, a \\ at the end, and ' together with \" \$ \\ or \`" >&2; return 1; }
}

# What stands in the file, each placeholder replaced; then, with its remark, each line of the example whose name is missing.
completed() {
  local line name value remark='' began=''
  if [ -e "$file" ]; then
    while IFS= read -r line || [ -n "$line" ]; do
      name=${line%%=*}
      if [ "$name" != "$line" ] && is_among "$name" $(names_of "$example") && is_placeholder "${line#*=}"; then
        value=$(value_for "$name" "$(line_of "$example" "$name")") || return 1
        line=$name=$value
      fi
      printf '%s\n' "$line"
    done <"$file"
  fi
  while IFS= read -r line; do
    name=${line%%=*}
    if [ "$name" = "$line" ]; then
      # A heading stands apart from the remarks of the next setting.
      case $line in '') [ -e "$file" ] || printf '%s\n' "$remark"; remark='' ;; *) remark=$remark$line$'\n' ;; esac
      continue
    fi
    if [ ! -e "$file" ] || ! is_among "$name" $(names_of "$file"); then
      value=$(value_for "$name" "${line#*=}") || return 1
      if [ -e "$file" ] && [ -z "$began" ]; then began=yes; printf '\n'; fi
      printf '%s%s=%s\n' "$remark" "$name" "$value"
    fi
    remark=''
  done <"$example"
}

# What the command line says that no line was there for.
further() {
  local pair name value
  for pair in ${pairs[@]+"${pairs[@]}"}; do
    name=${pair%%=*}
    is_among "$name" $(names_of "$example") && continue
    [ -e "$file" ] && is_among "$name" $(names_of "$file") && continue
    value=$(quoted "${pair#*=}") || { echo "$name: can't be written so that all read it alike" >&2; return 1; }
    printf '%s=%s\n' "$name" "$value"
  done
}

# What is there is never changed: whoever wants another value changes the file, and what has to follow.
refuse_changes() {
  local pair name now refused=
  [ -e "$file" ] || return 0
  for pair in ${pairs[@]+"${pairs[@]}"}; do
    name=${pair%%=*} now=$(bare "$(line_of "$file" "${pair%%=*}")")
    is_among "$name" $(names_of "$file") || continue
    is_placeholder "$now" || [ "$now" = "${pair#*=}" ] || { echo "$name has another value in $file already: change it there" >&2; refused=yes; }
  done
  [ -z "$refused" ]
}

draft=
write_file() {
  refuse_changes || exit 1
  draft=$(mktemp "$file.XXXXXX")
  trap 'rm -f "$draft"' EXIT
  { completed && further; } >"$draft" || exit 1
  if [ -e "$file" ]; then
    cmp -s "$draft" "$file" || { cat "$draft" >"$file"; echo "$file: completed"; }
    chmod 600 "$file"
  else
    # A link, unlike a move, replaces nothing that came to be meanwhile.
    ln "$draft" "$file"
    rm -f "$draft"
    echo "$file: made, for its owner alone"
  fi
}

# --- Checking ---

faults=0
fault() { faults=$((faults + 1)); printf '%s:%s: %s\n' "$file" "$1" "$2" >&2; }
note() { printf '%s: %s\n' "$file" "$1" >&2; }

# One value as it stands, without the name. Docker Compose decides how it is read; Node and a shell must agree.
check_value() {
  local at=$1 name=$2 value=$3 rest
  case $value in
  \'*)
    rest=${value#\'}
    case $rest in
    *\'*) ;;
    *) fault "$at" "$name: the single quote is not closed on this line"; return ;;
    esac
    case ${rest%%\'*} in *\\) fault "$at" "$name: ends with a backslash, which Docker Compose takes for an escape"; return ;; esac
    rest=${rest#*\'} ;;
  \"*)
    rest=${value#\"}
    case $rest in
    *\"*) ;;
    *) fault "$at" "$name: the double quote is not closed on this line"; return ;;
    esac
    case ${rest%%\"*} in *[\$\\]*) fault "$at" "$name: \$ and \\ mean something in double quotes; use single ones"; return ;; esac
    rest=${rest#*\"} ;;
  \`*) fault "$at" "$name: begins with a backtick, which some read as a quote; use single quotes"; return ;;
  *)
    case $value in *\$*) fault "$at" "$name: \$ outside of single quotes, where Docker Compose puts a variable in its place" ;; esac
    case $value in *\#*) fault "$at" "$name: # outside of quotes, where the value may end; use single quotes, and a line of its own for a remark" ;; esac
    return ;;
  esac
  rest=${rest#"${rest%%[![:space:]]*}"}
  case $rest in '' | \#*) ;; *) fault "$at" "$name: something follows the closing quote" ;; esac
}

# What a setting must be beside well written.
check_meaning() {
  local at=$1 name=$2 value=$3
  case $name in
  ALERTMANAGER_WEBHOOK_URL)
    case $value in
    none | http://?* | https://?*) ;;
    *) [ ${#value} -eq 32 ] && case $value in *[!A-Za-z0-9]*) false ;; esac ||
      fault "$at" "$name: neither an http(s) URL, nor an integration key of PagerDuty, nor none" ;;
    esac ;;
  ALERTMANAGER_RECEIVER)
    case $value in webhook | slack | discord | teams | pagerduty) ;; *) fault "$at" "$name: is none of webhook, slack, discord, teams, pagerduty" ;; esac ;;
  DATABASE_URL | REDIS_URL)
    local rest=${value#*://}
    case $name=$value in
    DATABASE_URL=postgres://?* | DATABASE_URL=postgresql://?* | REDIS_URL=redis://?* | REDIS_URL=rediss://?*)
      case ${rest#*[/?#]} in "$rest") ;; *@*) fault "$at" "$name: encode the password that is in it, or put it as it is into ${name%URL}PASSWORD" ;; esac
      case ${rest//%[0-9a-fA-F][0-9a-fA-F]/} in *%*) fault "$at" "$name: a % of a password in it is written %25, or the password put as it is into ${name%URL}PASSWORD" ;; esac ;;
    *) fault "$at" "$name: is no URL of its kind" ;;
    esac ;;
  PORT | GRAFANA_PORT | JAEGER_PORT)
    case $value in *[!0-9]*) fault "$at" "$name: is not a port" ;; esac ;;
  PUBLISH_ADDRESS)
    case $value in *[!0-9a-fA-F.:\[\]]*) fault "$at" "$name: is not an address of IP" ;; esac ;;
  API_KEY | INTERNAL_TOKEN | METRICS_TOKEN)
    local key old=$IFS
    # It travels in a header of HTTP.
    case ${value//, /,} in *[!!-~]*) fault "$at" "$name: may hold visible ASCII characters alone" ;; esac
    # Several, while they are rotated.
    IFS=,
    set -f
    for key in $value; do
      key=${key# }
      [ ${#key} -ge 24 ] || fault "$at" "$name: shorter than 24 characters"
    done
    set +f
    IFS=$old ;;
  POSTGRES_MONITOR_PASSWORD)
    # Its exporter takes a connection string apart at spaces, in quotes or not.
    case $value in *[[:space:]]*) fault "$at" "$name: may hold no space" ;; esac ;;
  GRAFANA_ADMIN_PASSWORD)
    case $value in *'${'* | *'$__'* | *'%('*) fault "$at" "$name: Grafana would put a variable in the place of \${, \$__ and %(" ;; esac ;;
  esac
}

check_file() {
  local line name value at=0 cr=0 first_cr=0 seen=' ' known missing=0 mode wanted
  if [ ! -f "$file" ]; then echo "$file: there is none; deploy/configure.sh makes it" >&2; exit 1; fi
  mode=$(stat -c %a "$file" 2>/dev/null || stat -f %Lp "$file")
  case $mode in ?00) ;; *) fault 0 "others may read it ($mode): chmod 600 $file" ;; esac
  # Those of the overlays stand in no example: most deployments have none.
  known=" $({ names_of "$example"; grep -oh '[$]{[A-Z_]*' "$root"/deploy/compose.*.yml | tr -d '${'; } | tr '\n' ' ')"
  while IFS= read -r line || [ -n "$line" ]; do
    at=$((at + 1))
    case $line in
    *$'\r') cr=$((cr + 1)) line=${line%$'\r'}; [ "$first_cr" -ne 0 ] || first_cr=$at ;;
    esac
    case $line in
    $'\xef\xbb\xbf'*) fault "$at" 'begins with a byte order mark: save it as UTF-8 without'; line=${line#???} ;;
    esac
    case $line in *$'\r'*) fault "$at" 'holds a carriage return' ;; esac
    case ${line#"${line%%[![:space:]]*}"} in '' | \#*) continue ;; esac
    name=${line%%=*}
    case $name in
    "$line" | '' | [0-9]* | *[!A-Za-z0-9_]*) fault "$at" 'is not NAME=value, without spaces around the ='; continue ;;
    esac
    value=${line#*=}
    value=${value#"${value%%[![:space:]]*}"} value=${value%"${value##*[![:space:]]}"}
    case $seen in
    *" $name@"*) wanted=${seen##*" $name@"}; fault "$at" "$name: is on line ${wanted%% *} already, and the last one counts" ;;
    esac
    seen="$seen$name@$at "
    case $known in *" $name "*) ;; *) note "$at: $name is no setting of the example: is it spelled right?" ;; esac
    if [ -n "${!name+set}" ] && [ "${!name}" != "$(bare "$value")" ]; then
      note "$at: $name is set otherwise in this shell, and Docker Compose would take that: unset $name"
    fi
    if is_placeholder "$value"; then fault "$at" "$name: still holds its placeholder"; continue; fi
    check_value "$at" "$name" "$value"
    value=$(bare "$value")
    if [ -n "$value" ]; then check_meaning "$at" "$name" "$value"
    elif is_among "$name" $(required); then fault "$at" "$name: is empty"; fi
  done <"$file"
  [ "$cr" -eq 0 ] || fault "$first_cr" "ends with a carriage return, as $cr lines do: sed -i 's/\\r\$//' $file"
  for name in $(names_of "$example"); do
    case $seen in *" $name@"*) continue ;; esac
    if is_among "$name" $(required); then fault "$at" "$name: is missing"; else missing=$((missing + 1)); fi
  done
  [ "$missing" -eq 0 ] || note "has no line for $missing settings, which are at their defaults; deploy/configure.sh adds them"
  if [ "$faults" -eq 0 ]; then echo "$file: nothing is wrong with it"; else
    echo "$file: $faults to put right; nothing has been started" >&2
    exit 1
  fi
}

pairs=()
only_check=
while [ $# -gt 0 ]; do
  case $1 in
  --check) only_check=yes ;;
  --file) [ $# -gt 1 ] || { usage >&2; exit 2; }; file=$2; shift ;;
  --help | -h) usage; exit ;;
  [A-Za-z_]*=*)
    case ${1%%=*} in *[!A-Za-z0-9_]*) usage >&2; exit 2 ;; esac
    pairs+=("$1") ;;
  *) usage >&2; exit 2 ;;
  esac
  shift
done
[ -n "$only_check" ] || write_file
check_file
