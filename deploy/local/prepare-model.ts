import { type OnLine, runChild } from './child-run.ts';
import { LaunchError } from './launch-error.ts';
import { ROOT } from './root.ts';

/**
 * Builds the local embedding model into `folder`, if it is not there: in a process of its own, which
 * takes half a gigabyte for a moment and gives it back.
 * @throws LaunchError where it can't be built.
 */
export async function prepareModel(
  folder: string,
  { env, onLine }: { env: NodeJS.ProcessEnv; onLine: OnLine },
): Promise<void> {
  const name = 'model';
  let last = '';
  const args = ['src/embeddings/local/prepare-model-cli.ts', folder];
  onLine({ name, text: `preparing the embedding model in ${folder}` });
  const run = runChild({ name, args, cwd: ROOT, env }, ({ text }) => {
    last = text;
  });
  const { code } = await run.exited;
  if (code === 0) return;
  const reason = code === null ? 'it was killed; is there a gigabyte of free memory?' : last;
  throw new LaunchError(`the embedding model could not be prepared: ${reason}`);
}
