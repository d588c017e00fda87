import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { type EmbeddingsRequestBody, respond } from '../embeddings/embeddings-server.ts';

/** How a provider is: as it should be, slow, out of quota, overloaded, refusing the key, or without an answer. */
export const MOODS = ['well', 'slow', 'limiting', 'overloaded', 'refusing', 'hanging'] as const;
export type Mood = (typeof MOODS)[number];

/** An OpenAI-compatible server that takes as long as a real one, and has its moods. */
export interface ChaosProvider {
  port: number;
  mood: Mood;
  close(): Promise<void>;
}

/** As the model that ships with ragbase does on one core; but one call does not wait for another. */
const MS_PER_TEXT = 20;
const DIMENSIONS = 32;

/** Starts one on a free port of 127.0.0.1. Equal texts have equal vectors. */
export async function openChaosProvider(): Promise<ChaosProvider> {
  const embed = async (input: string[], response: ServerResponse, msPerText: number) => {
    await setTimeout(input.length * msPerText);
    const data = input.map((text, index) => ({ index, embedding: vectorOf(text) }));
    respond(response, 200, { data, usage: { prompt_tokens: input.length } });
  };
  const answers: Record<Mood, (input: string[], response: ServerResponse) => unknown> = {
    well: (input, response) => embed(input, response, MS_PER_TEXT),
    slow: (input, response) => embed(input, response, 5 * MS_PER_TEXT),
    limiting: (_, response) => respond(response, 429, {}, { 'retry-after': '2' }),
    overloaded: (_, response) => respond(response, 503, {}),
    refusing: (_, response) => respond(response, 401, { error: { code: 'invalid_api_key' } }),
    hanging: () => undefined,
  };
  const server = createServer(async (request, response) => {
    const { input } = (await json(request)) as EmbeddingsRequestBody;
    answers[provider.mood](input, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const provider: ChaosProvider = {
    port: (server.address() as AddressInfo).port,
    mood: 'well',
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return provider;
}

function vectorOf(text: string): number[] {
  return [...createHash('sha256').update(text).digest().subarray(0, DIMENSIONS)].map((byte) => byte - 127.5);
}
