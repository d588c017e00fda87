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
    print(`     ${snippet(text, query)}`);
  }
}

/** The sentence with the most words of the query, and what fits after it. */
function snippet(text: string, query: string): string {
  const words = new Set(query.toLowerCase().match(/\p{L}{4,}/gu));
  const shared = (sentence: string) =>
    sentence
      .toLowerCase()
      .match(/\p{L}+/gu)
      ?.filter((word) => words.has(word)).length ?? 0;
  const line = text.replace(/\s+/g, ' ').trim();
  const sentences = line.split(/(?<=[.!?]) /);
  const best = sentences.reduce((a, b) => (shared(b) > shared(a) ? b : a));
  const rest = line.slice(line.indexOf(best));
  return rest.length <= SNIPPET ? rest : `${rest.slice(0, rest.lastIndexOf(' ', SNIPPET))} …`;
}

/** Prints one trace as a tree: which process did what, when it began and how long it took. */
export function printTrace(spans: readonly ReceivedSpan[]): void {
  const lines = traceTree(spans);
  if (lines.length === 0) print('  no span arrived: is OTEL_TRACES_SAMPLER set?');
  const labelWidth = Math.max(...lines.map(({ label }) => label.length));
  const serviceWidth = Math.max(...lines.map(({ service }) => service.length));
  for (const { label, service, atMs, durationMs, isError } of lines) {
    const times = `${`+${atMs.toFixed(0)}`.padStart(7)} ${durationMs.toFixed(1).padStart(9)} ms`;
    const name = label.padEnd(labelWidth);
    print(`  ${isError ? styled('red', name) : name}  ${styled('gray', service.padEnd(serviceWidth))} ${times}`);
  }
}
