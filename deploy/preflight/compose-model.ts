import { z } from 'zod';

/** As far as it is looked at, what `docker compose config --format json` prints. */
const modelSchema = z.object({
  services: z.record(
    z.string(),
    z.object({
      restart: z.string().optional(),
      ports: z
        .array(
          z.object({
            host_ip: z.string().optional(),
            target: z.number(),
            published: z.union([z.string(), z.number()]).optional(),
          }),
        )
        .default([]),
    }),
  ),
});
export type ComposeModel = z.output<typeof modelSchema>;

export const parseModel = (text: string): ComposeModel => modelSchema.parse(JSON.parse(text));

const containerSchema = z.object({
  Service: z.string(),
  State: z.string(),
  Health: z.string().default(''),
  ExitCode: z.number().default(0),
});
export type Container = z.output<typeof containerSchema>;

/** What `docker compose ps --format json` prints: a line for each container, or before 2.21 one array. */
export function parseContainers(text: string): Container[] {
  const values: unknown[] = text.startsWith('[')
    ? JSON.parse(text)
    : text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
  return z.array(containerSchema).parse(values);
}
