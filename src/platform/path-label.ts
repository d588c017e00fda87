/**
 * Makes a label of a request's path before routing has: the longest of `prefixes` that it lies
 * under, segment by segment, else `unmatched`. Bounded, whatever clients ask for.
 */
export function pathLabel(prefixes: readonly string[]): (path: string) => string {
  const longestFirst = [...prefixes].sort((a, b) => b.length - a.length);
  return (path) => longestFirst.find((prefix) => path === prefix || path.startsWith(`${prefix}/`)) ?? 'unmatched';
}
