import type { Line } from './pdf-lines.ts';

/** Lines at either edge of a page that are looked at. */
const EDGE_LINES = 2;
/** On so many pages must a line return before it is taken for a running one. */
const MIN_PAGES = 3;
const MIN_SHARE = 0.1;

/**
 * Leaves out running headers, footers and page numbers: lines at the edge of their page that return
 * at the same height on many pages, unchanged or with a number that counts the pages.
 */
export function withoutRunningLines(pages: readonly Line[][]): Line[] {
  const seen = new Map<string, number>();
  for (const lines of pages) {
    for (const key of new Set(edges(lines).flatMap(keysOf))) seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  const enough = Math.max(MIN_PAGES, pages.length * MIN_SHARE);
  const isRunning = (line: Line): boolean => keysOf(line).some((key) => (seen.get(key) ?? 0) >= enough);
  return pages.flatMap((lines) => {
    const running = new Set(edges(lines).filter(isRunning));
    return lines.filter((line) => !running.has(line));
  });
}

function edges(lines: readonly Line[]): Line[] {
  // A page of few lines is all edge.
  if (lines.length <= 2 * EDGE_LINES) return [];
  const byHeight = lines.toSorted((a, b) => b.y - a.y);
  return [...byHeight.slice(0, EDGE_LINES), ...byHeight.slice(-EDGE_LINES)];
}

/** The line as it is, and with its numbers counted from that of its page. */
function keysOf({ text, page, y }: Line): string[] {
  const height = Math.round(y / 4);
  return [`${height} ${text}`, `${height} ${text.replace(/\d{1,6}/g, (number) => `#${Number(number) - page}`)}`];
}
