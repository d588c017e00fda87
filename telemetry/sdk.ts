import type { IncomingMessage, ServerResponse } from 'node:http';
import { type DiagLogger, DiagLogLevel, diag } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { envDetector, hostDetector, serviceInstanceIdDetector } from '@opentelemetry/resources';
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
  diag.setLogger(diagnostics(), DiagLogLevel.ERROR);
  // No server of its own: the series are served by the process's internal server.
  const metrics = new PrometheusExporter({ preventServerStart: true, withoutScopeInfo: true });
  const sdk = new NodeSDK({
    instrumentations: instrumentations(),
    metricReaders: [metrics],
    logRecordProcessors: [],
    // The process detectors would publish the command line and the owner in target_info.
    resourceDetectors: [envDetector, hostDetector, serviceInstanceIdDetector],
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
