import type { Lifecycle } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/logger.ts';
import { findEnclosure, nameOf } from './parse-enclosure.ts';
import { parserMemory } from './parse-limits.ts';
import { openParsePool, type ParsePoolOptions } from './parse-pool.ts';
import { openParserGate, type ParserGate } from './parser-gate.ts';

const PARSE_TIMEOUT_MS = 120_000;
const PARSE_CPU_MS = 20_000;

/** Opens the parsers as tightly as this machine lets them be, says how tight that is, and watches that they work. */
export async function openParsers(
  options: Pick<ParsePoolOptions, 'concurrency' | 'maxChunks' | 'ocr'>,
  { logger, lifecycle }: { logger: Logger; lifecycle: Lifecycle },
): Promise<ParserGate> {
  const enclosure = await findEnclosure();
  const { memoryMb, fits } = parserMemory(options.concurrency);
  logger.info('parsers', {
    concurrency: options.concurrency,
    memoryMb,
    withoutNetwork: enclosure.withoutNetwork,
    through: nameOf(enclosure),
  });
  if (!enclosure.withoutNetwork)
    logger.warn('this system lets no process be cut off from the network; parsers are kept from it by Node alone');
  if (!fits)
    logger.warn(
      'parsers may need more memory than there is; lower WORKER_CONCURRENCY_FAST and WORKER_CONCURRENCY_HEAVY',
    );
  const pool = openParsePool({ ...options, enclosure, memoryMb, timeoutMs: PARSE_TIMEOUT_MS, cpuMs: PARSE_CPU_MS });
  lifecycle.onClose('parsers', () => pool.close());
  return openParserGate(pool, { logger, lifecycle });
}
