# Part of deploy/configure.sh: makes the file, or adds what is missing in it.

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

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
  quoted "$value" && return
  echo "$name: can't be written so that all read it alike; leave out line breaks, a \\ at the end, and ' together" \
    "with \" \$ \\ or \`" >&2
  return 1
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
    is_placeholder "$now" || [ "$now" = "${pair#*=}" ] && continue
    echo "$name has another value in $file already: change it there" >&2
    refused=yes
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
