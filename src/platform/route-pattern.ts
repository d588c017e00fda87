/**
 * Makes a label of a request's path before routing has, or where it never does: the pattern that answers it, as Express
 * matches (any case, a slash at the end), or undefined. Bounded, whatever clients ask for.
 * @param patterns e.g. `/api/v1/documents/:id`, in the order of their routes.
 */
export function routePattern(patterns: readonly string[]): (path: string) => string | undefined {
  const known = [...new Set(patterns)].map((pattern) => ({ pattern, matches: expressionOf(pattern) }));
  return (path) => known.find(({ matches }) => matches.test(path))?.pattern;
}

function expressionOf(pattern: string): RegExp {
  const literal = pattern.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${literal.replace(/:\w+/g, '[^/]+')}/?$`, 'i');
}
