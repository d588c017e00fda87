import { Readability } from '@mozilla/readability';
import { parseHTML } from 'linkedom';

/**
 * The article of a page as HTML, without navigation, advertisements and the like; undefined where
 * none stands out. Builds a tree and scores every element of it: for pages of moderate size and depth.
 */
export function readablePart(html: string): string | undefined {
  // linkedom's types want the browser's library; Readability's `Document` is only as much of it as it reads.
  const { document } = parseHTML(html) as unknown as { document: ConstructorParameters<typeof Readability>[0] };
  try {
    return new Readability(document).parse()?.content ?? undefined;
  } catch {
    // A page that it stumbles over is read whole.
    return undefined;
  }
}
