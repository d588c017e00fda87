/** Nesting that no honest request needs. Recursive readers of JSON, validators first, end in a stack overflow beyond some thousands. */
const MAX_DEPTH = 32;

/** What is wrong with a value that JSON.parse made, whoever is going to read it; undefined where nothing is. */
export function faultOfJson(value: unknown): string | undefined {
  if (isDeeperThan(value, MAX_DEPTH)) return `must nest at most ${MAX_DEPTH} levels deep`;
  // Copied by name onto another object it would replace that one's prototype; validators drop it silently.
  if (hasKey(value, '__proto__')) return 'must not hold the key __proto__';
  return undefined;
}

/** Does not recurse, unlike what it protects. */
function isDeeperThan(value: unknown, maxDepth: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    const inner = level.filter((item) => typeof item === 'object' && item !== null);
    if (inner.length > 0 && depth >= maxDepth) return true;
    level = inner.flatMap((item) => Object.values(item as object));
  }
  return false;
}

function hasKey(value: unknown, key: string): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.hasOwn(value, key) || Object.values(value).some((inner) => hasKey(inner, key));
}
