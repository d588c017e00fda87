import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../local/root.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

const SCRIPT = join(ROOT, 'deploy/configure.sh');

/** What `deploy/configure.sh --check` finds: whether the file says to Docker Compose what it seems to say. */
export async function checkWritten(path: string): Promise<Finding[]> {
  const command = promisify(execFile)('bash', [SCRIPT, '--check', '--file', path]);
  const {
    code = 0,
    stderr,
    message,
  } = await command.then(
    ({ stderr: said }) => ({ stderr: said, code: 0, message: '' }),
    (error) => error as { code?: number | string; stderr: string; message: string },
  );
  if (code !== 0 && code !== 1) throw new Error(message);
  // The last line is their sum; who may read it (line 0) is checked elsewhere.
  const said = stderr
    .split('\n')
    .filter((line) => line.startsWith(`${path}:`))
    .map((line) => line.slice(path.length + 1));
  const faults = said.filter((text) => /^[1-9]\d*: /.test(text)).map((text) => fail(`line ${text}`, TODO));
  const notes = said.filter((text) => /^ \d+: /.test(text)).map((text) => warn(`line${text}`, TODO));
  return [...(faults.length === 0 ? [ok('Docker Compose reads each setting as it is written')] : faults), ...notes];
}

const TODO = 'put it right in the file; deploy/configure.sh makes what is missing';
