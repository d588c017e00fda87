import type { Section } from './outline.ts';
import { type SplitOptions, splitText } from './split-text.ts';

/** The headings of a section, outermost first, and what they take of a chunk. */
export interface HeadingPath {
  headings: string[];
  tokens: number;
}

/**
 * Paths of sections, each counted once. A path takes at most `maxTokens`: the outermost headings go
 * first, and an innermost one that is too long is cut.
 */
export function createHeadingPaths(options: SplitOptions) {
  const known = new Map<Section | undefined, HeadingPath>([[undefined, { headings: [], tokens: 0 }]]);
  return (section: Section | undefined): HeadingPath => {
    const path = known.get(section) ?? measure(section, options);
    known.set(section, path);
    return path;
  };
}

function measure(section: Section | undefined, options: SplitOptions): HeadingPath {
  let headings: string[] = [];
  for (let at = section; at !== undefined; at = at.parent) headings.unshift(at.heading);
  for (; headings.length > 0; headings = headings.slice(1)) {
    const tokens = options.countTokens(headings.join(' > '));
    if (tokens <= options.maxTokens) return { headings, tokens };
    if (headings.length === 1) break;
  }
  const [longest = ''] = headings;
  for (const { start, end, tokens } of splitText(longest, options))
    return { headings: [longest.slice(start, end)], tokens };
  return { headings: [], tokens: 0 };
}
