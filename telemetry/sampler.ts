import { randomBytes } from 'node:crypto';
import { diag, trace } from '@opentelemetry/api';
import { getNumberFromEnv, getStringFromEnv } from '@opentelemetry/core';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace';

/** Set on the context of a request whose sender is not trusted (`src/platform/trace-context.ts`). */
const STRANGER = Symbol.for('ragbase.trace.stranger');

const SAMPLERS: Record<string, () => Sampler> = {
  always_on: () => new AlwaysOnSampler(),
  always_off: () => new AlwaysOffSampler(),
  traceidratio: () => new TraceIdRatioBasedSampler(ratio()),
  parentbased_always_on: () => new ParentBasedSampler({ root: new AlwaysOnSampler() }),
  parentbased_always_off: () => new ParentBasedSampler({ root: new AlwaysOffSampler() }),
  parentbased_traceidratio: () => new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio()) }),
};

/**
 * The sampler that `OTEL_TRACES_SAMPLER` names, but that strangers decide nothing: of their traces it sees neither the
 * flag nor the id, which they could choose to be kept by a ratio.
 * @see https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration
 */
export function chooseSampler(): Sampler {
  const name = getStringFromEnv('OTEL_TRACES_SAMPLER') ?? 'parentbased_always_on';
  const open = SAMPLERS[name] ?? SAMPLERS['parentbased_always_on'];
  if (!(name in SAMPLERS))
    diag.error(
      `OTEL_TRACES_SAMPLER: ${name} is not known; using parentbased_always_on of ${Object.keys(SAMPLERS).join(', ')}`,
    );
  return decidingForStrangers(open?.() ?? new AlwaysOnSampler());
}

function decidingForStrangers(sampler: Sampler): Sampler {
  return {
    shouldSample(context, traceId, ...span) {
      if (context.getValue(STRANGER) !== true) return sampler.shouldSample(context, traceId, ...span);
      return sampler.shouldSample(trace.deleteSpan(context), randomBytes(16).toString('hex'), ...span);
    },
    toString: () => sampler.toString(),
  };
}

function ratio(): number {
  const value = getNumberFromEnv('OTEL_TRACES_SAMPLER_ARG');
  if (value !== undefined && value >= 0 && value <= 1) return value;
  diag.error('OTEL_TRACES_SAMPLER_ARG is no ratio from 0 to 1; using 1');
  return 1;
}
