import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Precision } from './bert-encoder.ts';
import { LOCAL_MODEL } from './model-package.ts';

/** Raised with each change of the built files, so that an upgrade builds them anew. */
const BUILDER_VERSION = 1;

/** The model file to load on this machine. */
export interface PreparedModel {
  path: string;
  precision: Precision;
  /** Lowest cosine between the int8 and the f32 vectors of the texts that were compared. */
  minCosine: number;
}

/** What was found on this kind of CPU; kept beside the model file. */
const verdictSchema = z.object({
  cpu: z.string(),
  precision: z.enum(['int8', 'f32']),
  minCosine: z.number(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
type Verdict = z.infer<typeof verdictSchema>;

/**
 * The model that was prepared in `cacheDir` by this version for this kind of CPU, after comparing its SHA-256.
 * @returns undefined where there is none, or where it is damaged.
 */
export async function readPreparedModel(cacheDir: string): Promise<PreparedModel | undefined> {
  const verdict = await readVerdict(cacheDir);
  if (verdict === undefined) return undefined;
  const path = modelPath(cacheDir, verdict);
  if ((await sha256OfFile(path)) !== verdict.sha256) return undefined;
  return { path, precision: verdict.precision, minCosine: verdict.minCosine };
}

/** Keeps a model and what was found about it. Safe beside other processes that do the same. */
export async function writePreparedModel(
  cacheDir: string,
  { model, precision, minCosine }: { model: Uint8Array; precision: Precision; minCosine: number },
): Promise<PreparedModel> {
  const sha256 = createHash('sha256').update(model).digest('hex');
  const verdict: Verdict = { cpu: cpuModel(), precision, minCosine, sha256 };
  const path = modelPath(cacheDir, verdict);
  await writeAtomically(path, model);
  // Last: a verdict promises that its file is there.
  await writeAtomically(verdictPath(cacheDir), `${JSON.stringify(verdict, null, 2)}\n`);
  return { path, precision, minCosine };
}

async function readVerdict(cacheDir: string): Promise<Verdict | undefined> {
  try {
    return verdictSchema.safeParse(JSON.parse(await readFile(verdictPath(cacheDir), 'utf8'))).data;
  } catch {
    return undefined;
  }
}

/** One verdict a kind of CPU: it decides how int8 is calculated. */
function verdictPath(cacheDir: string): string {
  const key = createHash('sha256').update(`${BUILDER_VERSION} ${process.arch} ${cpuModel()}`).digest('hex');
  return join(cacheDir, `${LOCAL_MODEL.name}.${key.slice(0, 12)}.json`);
}

function modelPath(cacheDir: string, { precision, sha256 }: Pick<Verdict, 'precision' | 'sha256'>): string {
  return join(cacheDir, `${LOCAL_MODEL.name}.${precision}.${sha256.slice(0, 12)}.onnx`);
}

function cpuModel(): string {
  return cpus()[0]?.model.trim() ?? 'unknown';
}

async function sha256OfFile(path: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(piece);
  } catch {
    return undefined;
  }
  return hash.digest('hex');
}

/** Readers see the old file or the new one, never half of one. */
async function writeAtomically(path: string, content: Uint8Array | string): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, content);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
