import type { IncomingMessage, ServerResponse } from 'node:http';
import { basename } from 'node:path';
import { type DiagLogger, DiagLogLevel, diag } from '@opentelemetry/api';
import { setGlobalErrorHandler } from '@opentelemetry/core';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { envDetector, serviceInstanceIdDetector } from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { instrumentations } from './instrumentations.ts';
import { createLostSpans } from './lost-spans.ts';
import { choosePropagator } from './propagation.ts';
import { createReports, type Report, type Reports } from './reports.ts';
import { chooseSampler } from './sampler.ts';
import { chooseExporters } from './span-exporters.ts';
import { limitsFromEnvironment, spanPipeline } from './span-pipeline.ts';
import { views } from './views.ts';

/** The SDK as the entries see it. */
export interface Telemetry {
  /** Answers `GET /metrics` in the Prometheus text format. */
  serveMetrics(request: IncomingMessage, response: ServerResponse): void;
  /** @param listener hears, a line a burst, of spans that are lost and of settings that are wrong. */
  onReport(listener: (report: Report) => void): void;
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
  const reports = createReports();
  const diagnostics = createDiagnostics(reports);
  diag.setLogger(diagnostics.logger, DiagLogLevel.WARN);
  const lostSpans = createLostSpans(reports);
  // Of failed exports, which the pipeline counts and tells of in its own words.
  setGlobalErrorHandler(() => undefined);
  // No server of its own: the series are served by the process's internal server.
  const metrics = new PrometheusExporter({ preventServerStart: true, withoutScopeInfo: true });
  const limits = { ...limitsFromEnvironment(), lostSpans };
  const sdk = new NodeSDK({
    instrumentations: instrumentations(),
    sampler: chooseSampler(),
    textMapPropagator: choosePropagator(),
    metricReaders: [metrics],
    views: views(),
    logRecordProcessors: [],
    spanProcessors: chooseExporters().map(({ exporter, isBatched }) =>
      isBatched ? spanPipeline(exporter, limits) : new SimpleSpanProcessor({ exporter }),
    ),
    // The process detector would publish the command line and the owner in target_info; the host's
    // is not done before the first scrape.
    resourceDetectors: [envDetector, serviceInstanceIdDetector],
  });
  sdk.start();
  diagnostics.started();
  lostSpans.publish();
  return {
    serveMetrics: (request, response) => metrics.getMetricsRequestHandler(request, response),
    onReport: (listener) => reports.listen(listener),
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

/**
 * What the SDK and instrumentations complain of, without the arguments, which may be anything; each once a minute.
 * While they start, warnings too: those are of settings that are not understood.
 */
function createDiagnostics(reports: Reports): { logger: DiagLogger; started(): void } {
  const quiet = () => undefined;
  const silentUntil = new Map<string, number>();
  let isStarting = true;
  const say = (level: Report['level']) => (message: string) => {
    if (Date.now() < (silentUntil.get(message) ?? 0) || silentUntil.size > 100) return;
    silentUntil.set(message, Date.now() + 60_000);
    reports.say({ level, message: 'telemetry', fields: { detail: message.slice(0, 200) } });
  };
  const [error, warnAtStart] = [say('error'), say('warn')];
  const warn = (message: string) => {
    if (isStarting) warnAtStart(message);
  };
  return {
    logger: { error, warn, info: quiet, debug: quiet, verbose: quiet },
    started: () => {
      isStarting = false;
    },
  };
}
