/** Items that wait for the end of a turn of the event loop. */
export interface AfterTurn<T> {
  add(item: T): void;
  /** Handles now what waits. */
  flush(): void;
}

/**
 * Gathers what is handed in during a turn of the event loop, and handles it at the turn's end: off the way of what is
 * waited for, and for less than one by one between other work. Without `flush`, lost if the process exits in mid-turn.
 */
export function afterTurn<T>(handle: (items: readonly T[]) => void): AfterTurn<T> {
  let items: T[] = [];
  const flush = () => {
    const all = items;
    items = [];
    if (all.length > 0) handle(all);
  };
  return {
    flush,
    add(item) {
      if (items.length === 0) setImmediate(flush);
      items.push(item);
    },
  };
}
