import type { IncomingMessage, ServerResponse } from 'node:http';
import { basename } from 'node:path';
import { type DiagLogger, DiagLogLevel, diag } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { envDetector, serviceInstanceIdDetector } from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { instrumentations } from './instrumentations.ts';

/** The SDK as the entries see it. */
export interface Telemetry {
  /** Answers `GET /metrics` in the Prometheus text format. */
  serveMetrics(request: IncomingMessage, response: ServerResponse): void;
  /** Sends what is pending, at most `timeoutMs`; never rejects. Must run last, after the drain. */
  shutdown(timeoutMs?: number): Promise<void>;
}

/**
 * Starts tracing (OTLP over HTTP, `OTEL_*` as the specification has it) and metrics (Prometheus).
 * @see https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
export function startTelemetry(): Telemetry {
  const name = serviceName(process.argv[1] ?? '');
  if (name !== undefined) process.env['OTEL_SERVICE_NAME'] ||= name;
  diag.setLogger(diagnostics(), DiagLogLevel.ERROR);
  // No server of its own: the series are served by the process's internal server.
  const metrics = new PrometheusExporter({ preventServerStart: true, withoutScopeInfo: true });
  const sdk = new NodeSDK({
    instrumentations: instrumentations(),
    metricReaders: [metrics],
    logRecordProcessors: [],
    // The process detector would publish the command line and the owner in target_info; the host's
    // is not done before the first scrape.
    resourceDetectors: [envDetector, serviceInstanceIdDetector],
  });
  sdk.start();
  return {
    serveMetrics: (request, response) => metrics.getMetricsRequestHandler(request, response),
    shutdown: (timeoutMs = 5_000) =>
      // A dead collector holds the SDK's own shutdown for 8 to 10 s, and then rejects.
      Promise.race([
        sdk.shutdown().catch(() => undefined),
        new Promise<void>((resolve) => setTimeout(resolve, timeoutMs).unref()),
      ]),
  };
}

/** Each process has its entry's name, unless the operator gives it another. */
function serviceName(entry: string): string | undefined {
  if (/(^|,)service\.name=/.test(process.env['OTEL_RESOURCE_ATTRIBUTES'] ?? '')) return undefined;
  return basename(entry, '.ts') === 'worker' ? 'ragbase-ai-worker' : 'ragbase-backend';
}

/** One line a burst on stderr: an unreachable collector must not fill the log. */
function diagnostics(): DiagLogger {
  const quiet = () => undefined;
  let silentUntil = 0;
  const error = (message: string) => {
    if (Date.now() < silentUntil) return;
    silentUntil = Date.now() + 60_000;
    process.stderr.write(
      `${JSON.stringify({ timestamp: new Date().toISOString(), level: 'error', message: 'telemetry', detail: message.slice(0, 200) })}\n`,
    );
  };
  return { error, warn: quiet, info: quiet, debug: quiet, verbose: quiet };
}
