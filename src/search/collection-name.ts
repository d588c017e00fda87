import { z } from 'zod';

/** Names a group of documents; anything that is safe in a URL and a log. */
export const collectionName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'must be 1 to 128 letters, digits, dots, underscores or hyphens')
  .meta({ description: 'A group of documents that can be searched by itself', example: 'handbook' });
