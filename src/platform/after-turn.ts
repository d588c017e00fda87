/**
 * Gathers what is handed in during a turn of the event loop, and handles it at the turn's end: off the way of what is
 * waited for, and for less than one by one between other work. Lost if the process exits in mid-turn.
 * @returns what takes an item.
 */
export function afterTurn<T>(handle: (items: readonly T[]) => void): (item: T) => void {
  let items: T[] = [];
  const handleAll = () => {
    const all = items;
    items = [];
    handle(all);
  };
  return function add(item) {
    if (items.length === 0) setImmediate(handleAll);
    items.push(item);
  };
}
