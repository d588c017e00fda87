/** Starts OpenTelemetry with all that auto-instrumentations-node has, as its own documentation does. */
import { register } from 'import-in-the-middle/register-hooks.mjs';

register({ include: ['express', 'router', 'http', 'https', 'node:http', 'node:https', 'net', 'dns', 'fs', 'winston'] });

const { getNodeAutoInstrumentations } = await import('@opentelemetry/auto-instrumentations-node');
const { PrometheusExporter } = await import('@opentelemetry/exporter-prometheus');
const { NodeSDK } = await import('@opentelemetry/sdk-node');
const on = { enabled: true };
new NodeSDK({
  // Off by default, in the same package.
  instrumentations: getNodeAutoInstrumentations({
    '@opentelemetry/instrumentation-fs': on,
    '@opentelemetry/instrumentation-host-metrics': on,
  }),
  metricReaders: [new PrometheusExporter({ preventServerStart: true })],
  logRecordProcessors: [],
}).start();
