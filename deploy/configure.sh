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

# As the service itself judges, which would not start.
is_placeholder() {
  case $(printf %s "$1" | tr 'A-Z' 'a-z') in
  *change-me* | *changeme* | *placeholder* | *\<?*\>*) true ;;
  *) false ;;
  esac
}
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
# shellcheck source=settings/write.sh
. "$root/deploy/settings/write.sh"
# shellcheck source=settings/check.sh
. "$root/deploy/settings/check.sh"
[ -n "$only_check" ] || write_file
check_file
