import { isInteractive, print, styled } from './terminal.ts';

/** Progress of several things at once: drawn in place on a terminal, else a line for each that ends. */
export interface ProgressBar {
  /** `fraction` of a thing that is done, from 0 to 1, and what is happening to it. */
  update(name: string, fraction: number, doing: string): void;
  /** A thing has ended; `outcome` is shown where there is no terminal. */
  end(name: string, outcome: string): void;
  /** Leaves the line as it is; what is printed next starts a new one. */
  finish(): void;
}

const WIDTH = 30;

/** @param total number of things. */
export function progressBar(total: number): ProgressBar {
  const fractions = new Map<string, number>();
  const inPlace = isInteractive();
  let ended = 0;

  function draw(doing: string): void {
    if (!inPlace) return;
    const done = [...fractions.values()].reduce((sum, fraction) => sum + fraction, 0) / Math.max(total, 1);
    const filled = Math.round(done * WIDTH);
    const bar = styled('green', '█'.repeat(filled)) + styled('gray', '░'.repeat(WIDTH - filled));
    const count = total > 1 ? `${ended}/${total}  ` : '';
    const text = `${count}${doing}`.slice(0, Math.max((process.stdout.columns || 80) - WIDTH - 12, 0));
    process.stdout.write(`\r\x1b[K  ${bar} ${String(Math.floor(done * 100)).padStart(3)} %  ${text}`);
  }

  return {
    update(name, fraction, doing) {
      fractions.set(name, fraction);
      draw(`${doing} ${name}`);
    },
    end(name, outcome) {
      fractions.set(name, 1);
      ended += 1;
      draw(`${name}: ${outcome}`);
      if (!inPlace) print(`  ${String(ended).padStart(3)}/${total}  ${name}: ${outcome}`);
    },
    finish() {
      draw('');
      if (inPlace) print();
    },
  };
}
