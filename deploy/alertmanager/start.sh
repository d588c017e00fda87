#!/bin/sh
# Starts Alertmanager with the receiver that ALERTMANAGER_WEBHOOK_URL asks for. Its file knows no variables, so the
# receiver is chosen in a copy, beside the data. Arguments are Alertmanager's own.
set -eu

secret=${ALERTMANAGER_WEBHOOK_URL_FILE:-/run/secrets/alertmanager_webhook_url}
value=$(tr -d '[:space:]' <"$secret" 2>/dev/null) || value=''
case $value in
'') echo 'ALERTMANAGER_WEBHOOK_URL is empty: say who hears of alerts, or none' >&2; exit 1 ;;
none) kind=none ;;
https://hooks.slack.com/*) kind=slack ;;
https://discord.com/api/webhooks/* | https://discordapp.com/api/webhooks/*) kind=discord ;;
https://*.webhook.office.com/* | https://*.logic.azure.com/* | https://*.logic.azure.com:443/* | https://*.api.powerplatform.com/* | https://*.api.powerplatform.com:443/*) kind=teams ;;
http://?* | https://?*) kind=webhook ;;
*) kind=pagerduty ;;
esac
[ "$kind" = none ] || kind=${ALERTMANAGER_RECEIVER:-$kind}
case $kind in
none | webhook | slack | discord | teams | pagerduty) ;;
*) echo 'ALERTMANAGER_RECEIVER is none of webhook, slack, discord, teams, pagerduty' >&2; exit 1 ;;
esac
# The watchdog repeats itself for a program that notices when it stops; people would be told the same for ever.
[ "$kind" = webhook ] && watchdog=webhook || watchdog=none

for argument; do
  shift
  case $argument in
  --config.file=*) from=${argument#*=} ;;
  --storage.path=*) into=${argument#*=}/alertmanager.yml; set -- "$@" "$argument" ;;
  *) set -- "$@" "$argument" ;;
  esac
done
# By its indentation: the route of all, and the routes within it.
sed "s/^  receiver: webhook\$/  receiver: $kind/; s/^ \{4,\}receiver: webhook\$/      receiver: $watchdog/" "$from" >"$into"
exec alertmanager "--config.file=$into" "$@"
