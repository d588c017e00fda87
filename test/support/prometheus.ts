import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../deploy/local/ports.ts';
import { until } from './until.ts';

/** A real Prometheus that scrapes once a second. */
export interface Prometheus {
  /**
   * The value of an expression now: a result for each series.
   * @throws Error for an expression that cannot be evaluated.
   */
  query(expr: string): Promise<object[]>;
  close(): Promise<void>;
}

export const hasPrometheus = (): boolean => spawnSync('prometheus', ['--version']).status === 0;

/** @param options.jobs what to scrape: addresses by their job, beside itself. */
export async function openPrometheus(options: {
  jobs: Record<string, string>;
  ruleFiles: string[];
}): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'prometheus-'));
  const [port] = await freePorts(1);
  const address = `127.0.0.1:${port}`;
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: options.ruleFiles,
    scrape_configs: Object.entries({ ...options.jobs, prometheus: address }).map(([job, target]) => ({
      job_name: job,
      static_configs: [{ targets: [target] }],
    })),
  };
  // JSON is YAML.
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const child = spawn(
    'prometheus',
    [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=${address}`],
    { stdio: 'ignore' },
  );
  await until(async () => (await fetch(`http://${address}/-/ready`)).ok);
  return {
    async query(expr) {
      const response = await fetch(`http://${address}/api/v1/query`, {
        method: 'POST',
        body: new URLSearchParams({ query: expr }),
      });
      const answer = (await response.json()) as { error?: string; data?: { result: object[] } };
      if (answer.data === undefined) throw new Error(`${answer.error}: ${expr}`);
      return answer.data.result;
    },
    async close() {
      const exited = once(child, 'exit');
      child.kill();
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
