import type { ReceivedSpan } from './otlp-receiver.ts';

/** One line of a trace drawn as a tree. */
export interface TraceLine {
  /** Branches, then the span's name. */
  label: string;
  service: string;
  /** Since the trace began, in ms. */
  atMs: number;
  durationMs: number;
  isError: boolean;
}

/** Draws the spans of one trace as a tree, children in the order in which they began. */
export function traceTree(spans: readonly ReceivedSpan[]): TraceLine[] {
  const known = new Set(spans.map((span) => span.spanId));
  const inOrder = spans.toSorted((a, b) => a.startMs - b.startMs);
  // A span whose parent has not arrived stands at the top: better than leaving it out.
  const children = Map.groupBy(inOrder, ({ parentSpanId }) =>
    parentSpanId !== undefined && known.has(parentSpanId) ? parentSpanId : undefined,
  );
  const begin = inOrder[0]?.startMs ?? 0;
  const lines: TraceLine[] = [];
  const draw = (span: ReceivedSpan, branch: string, indent: string) => {
    lines.push({
      label: branch + span.name,
      service: span.service,
      atMs: span.startMs - begin,
      durationMs: span.durationMs,
      isError: span.isError,
    });
    const below = children.get(span.spanId) ?? [];
    for (const child of below) {
      const isLast = child === below.at(-1);
      draw(child, indent + (isLast ? '└─ ' : '├─ '), indent + (isLast ? '   ' : '│  '));
    }
  };
  for (const root of children.get(undefined) ?? []) draw(root, '', '');
  return lines;
}

/**
 * True when no parent is on its way any more: all that stands at the top is the trace's root, or,
 * where a document is processed again, the children of a root that was sent elsewhere long ago.
 */
export function isWhole(spans: readonly ReceivedSpan[]): boolean {
  const known = new Set(spans.map((span) => span.spanId));
  const missing = spans.map((span) => span.parentSpanId).filter((id) => id === undefined || !known.has(id));
  return new Set(missing).size === 1;
}
