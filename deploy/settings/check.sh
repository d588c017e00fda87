# Part of deploy/configure.sh: says all that is wrong with the file, by line, and shows no value.

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
    case $value in
    *\#*) fault "$at" "$name: # outside of quotes, where the value may end; use single ones, and a line of its own for a remark" ;;
    esac
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
    case $value in
    webhook | slack | discord | teams | pagerduty) ;;
    *) fault "$at" "$name: is none of webhook, slack, discord, teams, pagerduty" ;;
    esac ;;
  DATABASE_URL | REDIS_URL)
    local rest=${value#*://} beside=${name%URL}PASSWORD
    case $name=$value in
    DATABASE_URL=postgres://?* | DATABASE_URL=postgresql://?* | REDIS_URL=redis://?* | REDIS_URL=rediss://?*)
      case ${rest#*[/?#]} in
      "$rest") ;;
      *@*) fault "$at" "$name: encode the password that is in it, or put it as it is into $beside" ;;
      esac
      case ${rest//%[0-9a-fA-F][0-9a-fA-F]/} in
      *%*) fault "$at" "$name: write a % in it as %25, or put the password as it is into $beside" ;;
      esac ;;
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
