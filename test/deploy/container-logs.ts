import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';

/** The longest piece of a line that Docker writes as one. */
const PIECE = 16_384;

/** Writes a line as Docker's json-file driver does, with the labels of the compose file. */
export async function logLine(
  folder: string,
  { project = 'ragbase', service, line }: { project?: string; service: string; line: string },
): Promise<void> {
  const id = `${project}-${service}`;
  const attrs = { 'com.docker.compose.project': project, 'com.docker.compose.service': service };
  const pieces = `${line}\n`.match(new RegExp(`[\\s\\S]{1,${PIECE}}`, 'g')) ?? [];
  const written = pieces.map((log) => JSON.stringify({ log, stream: 'stdout', attrs, time: new Date().toISOString() }));
  await mkdir(join(folder, id), { recursive: true });
  await appendFile(join(folder, id, `${id}-json.log`), written.map((text) => `${text}\n`).join(''));
}
