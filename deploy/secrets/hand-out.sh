#!/bin/sh
# Writes each service's secrets as files into a volume that it alone has. Compose can't put files into a read-only
# container, and what stands in an environment is shown by `docker inspect`.
#   hand-out.sh /secrets: lines of name=value, the value as it is
set -eu
umask 022

value_of() { sed -n "s/^$1=//p" "$from"; }
give() { # a service, and the names that it needs; whoever reads one meanwhile has the old or the new
  to=/out/$1
  shift
  for name; do
    value_of "$name" | tr -d '\n' >"$to/.$name"
    mv "$to/.$name" "$to/$name"
  done
}
quoted() { sed 's/\\/\\\\/g; s/"/\\"/g'; }

from=$1
give backend api_key internal_token metrics_token database_url database_password redis_url redis_password \
  embedding_api_key alert_webhook_url
give worker internal_token redis_url redis_password embedding_api_key
give postgres postgres_password postgres_monitor_password
give postgres-exporter postgres_monitor_password
give grafana grafana_admin_password
give alertmanager alertmanager_webhook_url
# Redis takes lines of its configuration, its exporter a map of addresses.
printf 'requirepass "%s"\n' "$(value_of redis_password | quoted)" >/out/redis/.redis.conf
value_of redis_password | tr -d '\n' >/out/redis/.redis_password
mv /out/redis/.redis.conf /out/redis/redis.conf
mv /out/redis/.redis_password /out/redis/redis_password
printf '{"redis://redis:6379":"%s"}' "$(value_of redis_password | quoted)" >/out/redis-exporter/.passwords.json
mv /out/redis-exporter/.passwords.json /out/redis-exporter/passwords.json
