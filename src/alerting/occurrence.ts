import { z } from 'zod';

/** An error that happened once, somewhere in the service. No document text and no key is in it. */
export const occurrenceSchema = z.strictObject({
  /** `critical` needs a person at once; an `error` does when it comes often. */
  level: z.enum(['error', 'critical']),
  /** What errors are counted by: few and fixed. */
  type: z.string().min(1).max(200),
  message: z.string().max(200),
  context: z.record(z.string().max(64), z.union([z.string().max(200), z.number(), z.boolean()])),
  timestamp: z.iso.datetime(),
  traceId: z.string().max(32).optional(),
});
export type Occurrence = z.infer<typeof occurrenceSchema>;

/** Takes note of an error; never throws, never waits. */
export type Report = (occurrence: Occurrence) => void;
