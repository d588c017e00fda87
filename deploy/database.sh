# Sourced by backup.sh and restore.sh: `database` is where DATABASE_URL leads, without its password, which no argument
# may show; the programs of Postgres find that in PGPASSWORD. Each of the two may be in a file: NAME_FILE.

setting_of() {
  local file=${1}_FILE
  if [ -z "${!file:-}" ]; then printf %s "${!1:-}"; return; fi
  [ -z "${!1:-}" ] || { echo "$1 and $file are both set; keep one" >&2; return 1; }
  cat "${!file}" 2>/dev/null || { echo "$file: the file can't be read" >&2; return 1; }
}

database=$(setting_of DATABASE_URL)
if [ -n "$database" ]; then
  password=$(setting_of DATABASE_PASSWORD)
  rest=${database#*://}
  authority=${rest%%[/?]*}
  user=${authority%@*}
  case $authority in
  *:*@*)
    password=${user#*:} password=${password//\\/\\\\}
    printf -v password %b "${password//%/\\x}"
    database=${database%%://*}://${user%%:*}@${authority##*@}${rest#"$authority"} ;;
  esac
  [ -z "$password" ] || export PGPASSWORD=$password
  unset DATABASE_URL DATABASE_PASSWORD
fi
