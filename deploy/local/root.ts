import { fileURLToPath } from 'node:url';

/** The checkout: `.env` stands there, and every process is started there. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
