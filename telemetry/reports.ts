/** One line for the log: what telemetry has to say of itself. */
export interface Report {
  level: 'error' | 'warn' | 'info';
  message: string;
  fields: Record<string, string | number>;
}

/** Keeps what is said before there is a logger, and says it when there is one. */
export interface Reports {
  say(report: Report): void;
  /** @param listener hears all that was and will be said. */
  listen(listener: (report: Report) => void): void;
}

/** What is kept at most, where nobody ever listens. */
const MAX_KEPT = 20;

export function createReports(): Reports {
  const kept: Report[] = [];
  let heard: ((report: Report) => void) | undefined;
  return {
    say(report) {
      if (heard) heard(report);
      else if (kept.length < MAX_KEPT) kept.push(report);
    },
    listen(listener) {
      heard = listener;
      for (const report of kept.splice(0)) listener(report);
    },
  };
}
