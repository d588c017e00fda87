import { type OtlpReceiver, openOtlpReceiver } from './otlp-receiver.ts';

/** Any of these says where traces go, or that there are none. */
const CHOICES = [
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_TRACES_EXPORTER',
  'OTEL_SDK_DISABLED',
];

/**
 * Takes the spans of the service in this process, where the user has not said where they go.
 * @param env the settings of the service, to which the address is added.
 * @param options.keep number of spans that are kept; the oldest are forgotten.
 */
export async function receiveTraces(
  env: NodeJS.ProcessEnv,
  options: { keep: number },
): Promise<OtlpReceiver | undefined> {
  if (CHOICES.some((name) => env[name])) return undefined;
  const receiver = await openOtlpReceiver(options);
  env['OTEL_EXPORTER_OTLP_ENDPOINT'] = receiver.endpoint;
  env['OTEL_EXPORTER_OTLP_PROTOCOL'] = 'http/json';
  env['OTEL_BSP_SCHEDULE_DELAY'] ||= '200';
  return receiver;
}
