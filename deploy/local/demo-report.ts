import type { DemoSearch } from './demo-client.ts';
import type { ReceivedSpan } from './otlp-receiver.ts';
import { print, styled } from './terminal.ts';
import { traceTree } from './trace-tree.ts';

const SNIPPET = 160;

/** Prints what a search found, each result with its source. */
export function printSearch(query: string, { results, tookMs }: DemoSearch): void {
  print(`\n${styled('bold', `Search: ${query}`)} ${styled('gray', `(${tookMs.toFixed(0)} ms)`)}`);
  if (results.length === 0) print('  nothing found');
  for (const [index, { name, text, score, location }] of results.entries()) {
    const { page, headings = [] } = location;
    const source = [name, ...(page === undefined ? [] : [`page ${page}`]), ...headings].join(' › ');
    print(`  ${index + 1}. ${styled('cyan', source)}  ${styled('gray', `score ${score.toFixed(3)}`)}`);
    print(`     ${snippet(text)}`);
  }
}

function snippet(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= SNIPPET ? line : `${line.slice(0, line.lastIndexOf(' ', SNIPPET))} …`;
}

/** Prints one trace as a tree: which process did what, when it began and how long it took. */
export function printTrace(spans: readonly ReceivedSpan[]): void {
  const lines = traceTree(spans);
  const labelWidth = Math.max(...lines.map(({ label }) => label.length));
  const serviceWidth = Math.max(...lines.map(({ service }) => service.length));
  for (const { label, service, atMs, durationMs, isError } of lines) {
    const times = `${`+${atMs.toFixed(0)}`.padStart(7)} ${durationMs.toFixed(1).padStart(9)} ms`;
    const name = label.padEnd(labelWidth);
    print(`  ${isError ? styled('red', name) : name}  ${styled('gray', service.padEnd(serviceWidth))} ${times}`);
  }
}
