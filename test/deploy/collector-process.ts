import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The collector that `test/deploy/compose-collector.sh` builds; tests that need it are skipped without. */
export const OTELCOL = process.env['OTELCOL'];

/** A collector that runs. */
export interface CollectorProcess {
  /** What it logged so far. */
  log(): string;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** @param config as text, kept as `name`.yaml in the folder. */
export async function startCollector(config: string, at: { folder: string; name: string }): Promise<CollectorProcess> {
  const path = join(at.folder, `${at.name}.yaml`);
  await writeFile(path, config);
  const child = spawn(OTELCOL ?? '', ['--config', path], { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(child, 'exit');
  let log = '';
  child.stderr.on('data', (text) => {
    log += text;
  });
  return {
    log: () => log,
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      await exited;
    },
  };
}

/**
 * A file of the deployment, with other addresses and folders.
 * @throws Error where one of them is not in the file: then something else would be tested.
 */
export function adapt(text: string, replaced: Record<string, string>): string {
  let result = text;
  for (const [from, to] of Object.entries(replaced)) {
    if (!result.includes(from)) throw new Error(`${from} is not in the file`);
    result = result.replaceAll(from, to);
  }
  return result;
}

/** A collector that takes what is sent to it, and writes it to a file, a line a request. JSON is YAML. */
export const writingConfig = (options: { protocols: object; signal: 'traces' | 'logs'; path: string }): string =>
  JSON.stringify({
    receivers: { otlp: { protocols: options.protocols } },
    exporters: { file: { path: options.path, append: true, flush_interval: '100ms' } },
    service: {
      pipelines: { [options.signal]: { receivers: ['otlp'], exporters: ['file'] } },
      telemetry: { metrics: { level: 'none' } },
    },
  });

/** What a collector of `writingConfig` has written. */
export const written = async (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
