import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

export interface EmbeddingsRequestBody {
  model: string;
  input: string[];
  encoding_format: string;
  dimensions?: number;
}

/** How the server answers one request. */
export type Answer = (body: EmbeddingsRequestBody, response: ServerResponse) => void;

export interface EmbeddingsServer {
  baseUrl: string;
  /** What makes a service use it. */
  settings: Record<string, string>;
  requests: { path: string | undefined; authorization: string | undefined; body: EmbeddingsRequestBody }[];
  /** Of the same requests. */
  headers: IncomingHttpHeaders[];
  /** Answers of the next requests, in their order; then `numbersAnswer`. */
  answers: Answer[];
  close(): Promise<void>;
}

/** The vector this server gives a text: its length tells texts apart. Not of unit length. */
export const vectorOf = (text: string): number[] => [3 * text.length, 4, 0];

export const respond = (response: ServerResponse, status: number, body: unknown, headers = {}): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
};

/** As OpenAI answers. */
export const numbersAnswer: Answer = ({ input }, response) =>
  respond(response, 200, {
    object: 'list',
    data: input.map((text, index) => ({ object: 'embedding', index, embedding: vectorOf(text) })),
    usage: { prompt_tokens: input.length * 2, total_tokens: input.length * 2 },
  });

/** As OpenAI answers to `encoding_format: "base64"`. */
export const base64Answer: Answer = ({ input }, response) =>
  respond(response, 200, {
    data: input.map((text, index) => ({
      index,
      embedding: Buffer.from(Float32Array.from(vectorOf(text)).buffer).toString('base64'),
    })),
  });

/** A server on a free port that speaks `POST /v1/embeddings`. */
export async function startEmbeddingsServer(): Promise<EmbeddingsServer> {
  const requests: EmbeddingsServer['requests'] = [];
  const headers: IncomingHttpHeaders[] = [];
  const answers: Answer[] = [];
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const body = (await json(request)) as EmbeddingsRequestBody;
    headers.push(request.headers);
    requests.push({ path: request.url, authorization: request.headers.authorization, body });
    (answers.shift() ?? numbersAnswer)(body, response);
  };
  const server = createServer((request, response) => void handle(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  return {
    baseUrl,
    settings: {
      EMBEDDING_PROVIDER: 'openai',
      EMBEDDING_BASE_URL: baseUrl,
      EMBEDDING_MODEL: 'm',
      EMBEDDING_DIMENSIONS: '3',
    },
    requests,
    headers,
    answers,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
