#!/usr/bin/env bash
# Builds a collector of the components that otel-collector.yaml uses, at the version of the compose
# file, and lets it validate that file. Needs Go; takes some minutes and a gigabyte the first time.
#   test/deploy/compose-collector.sh [FOLDER]     keeps the build in FOLDER, else in a temporary one
set -euo pipefail
cd "$(dirname "$0")/../.."

version=v$(sed -nE 's/.*opentelemetry-collector-contrib:([0-9.]+)$/\1/p' docker-compose.prod.yml)
work=${1:-$(mktemp -d)}
mkdir -p "$work/queue"
core=go.opentelemetry.io/collector
contrib=github.com/open-telemetry/opentelemetry-collector-contrib

if [ ! -x "$work/out/otelcol" ]; then
  cat >"$work/builder.yaml" <<YAML
dist: { name: otelcol, output_path: $work/out, version: ${version#v} }
receivers:
  - gomod: $core/receiver/otlpreceiver $version
processors:
  - gomod: $core/processor/memorylimiterprocessor $version
  - gomod: $contrib/processor/tailsamplingprocessor $version
  - gomod: $contrib/processor/transformprocessor $version
exporters:
  - gomod: $core/exporter/otlpexporter $version
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
sed "s#/var/lib/otelcol#$work/queue#" otel-collector.yaml >"$work/config.yaml"
"$work/out/otelcol" validate --config "$work/config.yaml"
echo "otel-collector.yaml is valid for $version"
