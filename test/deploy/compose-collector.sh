#!/usr/bin/env bash
# Builds a collector of the components that otel-collector.yaml and deploy/loki/logs-collector.yaml use, at the
# version of the compose file; lets it validate both files; and runs them, with traces and logs going through.
# Needs Go; takes some minutes and a gigabyte the first time.
#   test/deploy/compose-collector.sh [FOLDER]     keeps the build in FOLDER, else in a temporary one
#   WITH_LOKI=1 …                                 builds Loki too, and searches it for what was sent
set -euo pipefail
cd "$(dirname "$0")/../.."

version_of() { sed -nE "s#.*$2:([0-9.]+)\$#\1#p" "$1"; }
version=v$(version_of docker-compose.prod.yml opentelemetry-collector-contrib)
work=${1:-$(mktemp -d)}
mkdir -p "$work/queue"
core=go.opentelemetry.io/collector
contrib=github.com/open-telemetry/opentelemetry-collector-contrib

if [ ! -x "$work/out/otelcol" ]; then
  # The file exporter is for the tests: it stands where Jaeger and Loki would.
  cat >"$work/builder.yaml" <<YAML
dist: { name: otelcol, output_path: $work/out, version: ${version#v} }
receivers:
  - gomod: $core/receiver/otlpreceiver $version
  - gomod: $contrib/receiver/filelogreceiver $version
processors:
  - gomod: $core/processor/memorylimiterprocessor $version
  - gomod: $contrib/processor/tailsamplingprocessor $version
  - gomod: $contrib/processor/transformprocessor $version
exporters:
  - gomod: $core/exporter/otlpexporter $version
  - gomod: $core/exporter/otlphttpexporter $version
  - gomod: $contrib/exporter/fileexporter $version
  - gomod: $contrib/exporter/prometheusexporter $version
connectors:
  - gomod: $core/connector/forwardconnector $version
  - gomod: $contrib/connector/spanmetricsconnector $version
extensions:
  - gomod: $contrib/extension/healthcheckextension $version
  - gomod: $contrib/extension/storage/filestorage $version
YAML
  GOBIN=$work/bin go install "$core/cmd/builder@$version"
  "$work/bin/builder" --config "$work/builder.yaml"
fi

# The volume of the compose file is not there; the rest is validated as it stands.
for file in otel-collector.yaml deploy/loki/logs-collector.yaml; do
  sed "s#/var/lib/otelcol#$work/queue#" "$file" >"$work/config.yaml"
  "$work/out/otelcol" validate --config "$work/config.yaml"
  echo "$file is valid for $version"
done

if [ -n "${WITH_LOKI:-}" ] && [ ! -x "$work/loki" ]; then
  # From a copy of the module. What it replaces by a folder of its repository is a module of its own.
  loki=github.com/grafana/loki/v3@v$(version_of deploy/compose.loki.yml grafana/loki)
  source=$(go mod download -json "$loki" | sed -nE 's/.*"Dir": "(.*)".*/\1/p')
  rm -rf "$work/loki-source"
  cp -r "$source" "$work/loki-source" && chmod -R u+w "$work/loki-source"
  (cd "$work/loki-source" && go mod edit -dropreplace=github.com/grafana/loki/pkg/push &&
    CGO_ENABLED=0 GOFLAGS=-mod=mod go build -o "$work/loki" ./cmd/loki)
fi

export OTELCOL=$work/out/otelcol
[ -z "${WITH_LOKI:-}" ] || export LOKI=$work/loki
PATH=$PWD/node_modules/.bin:$PATH mocha test/deploy/collector.test.ts test/deploy/logs.test.ts
