/**
 * Starts OpenTelemetry. Loaded by `node --import ./telemetry/register.ts <entry>` so that it runs
 * before any module that an instrumentation wants to patch; a wrong order fails silently.
 */
import { register } from 'import-in-the-middle/register-hooks.mjs';

// ESM imports pass the loader, not `require`: without this hook pg and redis stay unpatched when
// an ESM module imports them first. Sync hooks want Node >= 24.11.1.
register({ include: ['pg', 'pg-pool', 'redis'] });

// Dynamic, so that the SDK and everything it loads come after the hook.
const { startTelemetry } = await import('./sdk.ts');

/** What the entries need of the SDK; nothing else of `src` may import it. */
export const telemetry = startTelemetry();
