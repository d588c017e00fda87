import { fileURLToPath } from 'node:url';
import type { Services } from '../../deploy/local/stack-steps.ts';

const SERVICE = fileURLToPath(new URL('stand-in-service.ts', import.meta.url));

/** Services that need nothing, in the place of ragbase's own. */
export const STAND_INS: Services = { backend: [SERVICE, 'PORT'], worker: [SERVICE, 'WORKER_PORT'], usesModel: false };
