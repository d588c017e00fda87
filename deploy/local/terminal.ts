import { styleText } from 'node:util';
import type { Line } from './child-run.ts';

/** The console of the launcher's commands. `styleText` leaves colours out by itself where NO_COLOR is set or no terminal listens. */
type Style = Parameters<typeof styleText>[0];

const NAME_STYLES: Record<string, Style> = {
  ragbase: ['bold', 'cyan'],
  backend: 'green',
  worker: 'magenta',
  postgres: 'blue',
  redis: 'red',
  model: 'yellow',
};

/** Text in a style, for standard output. */
export const styled = (style: Style, text: string): string => styleText(style, text, { stream: process.stdout });

/** Writes one line to standard output. */
export function print(text = ''): void {
  process.stdout.write(`${text}\n`);
}

/** A line of a process, behind its name. */
export function printLine({ name, text }: Line): void {
  print(`${styled(NAME_STYLES[name] ?? 'white', name.padEnd(8))} ${styled('gray', '│')} ${text}`);
}

/** The one line that says why a command failed and what to do. */
export function printError(message: string): void {
  process.stderr.write(`${styleText(['bold', 'red'], 'ragbase:', { stream: process.stderr })} ${message}\n`);
}

/** True where the cursor can be moved: progress may then be drawn in place. */
export const isInteractive = (): boolean => process.stdout.isTTY === true && !process.env['CI'];
