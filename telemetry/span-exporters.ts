import { diag } from '@opentelemetry/api';
import { getStringFromEnv, getStringListFromEnv } from '@opentelemetry/core';
import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { ConsoleSpanExporter, type SpanExporter } from '@opentelemetry/sdk-trace';

/** An exporter, and whether spans are sent in batches or as they end. */
export interface ChosenExporter {
  exporter: SpanExporter;
  isBatched: boolean;
}

const OTLP: Record<string, () => SpanExporter> = {
  'http/protobuf': () => new ProtobufExporter(),
  'http/json': () => new JsonExporter(),
  grpc: () => new GrpcExporter(),
};

/**
 * The exporters that `OTEL_TRACES_EXPORTER` names (otlp by default, console, none), with the protocol of
 * `OTEL_EXPORTER_OTLP_PROTOCOL`. The SDK would choose the same ones, but let nothing stand before them.
 * @see https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#exporter-selection
 */
export function chooseExporters(): ChosenExporter[] {
  const names = new Set(getStringListFromEnv('OTEL_TRACES_EXPORTER') ?? ['otlp']);
  const chosen: ChosenExporter[] = [];
  for (const name of names) {
    if (name === 'otlp') chosen.push({ exporter: otlpExporter(), isBatched: true });
    else if (name === 'console') chosen.push({ exporter: new ConsoleSpanExporter(), isBatched: false });
    else if (name !== 'none')
      diag.error(`OTEL_TRACES_EXPORTER: ${name} is not known here; known are otlp, console, none`);
  }
  return chosen;
}

function otlpExporter(): SpanExporter {
  const protocol =
    getStringFromEnv('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL') ??
    getStringFromEnv('OTEL_EXPORTER_OTLP_PROTOCOL') ??
    'http/protobuf';
  const open = OTLP[protocol];
  if (open) return open();
  diag.error(`OTEL_EXPORTER_OTLP_PROTOCOL: ${protocol} is not known; using http/protobuf`);
  return new ProtobufExporter();
}
