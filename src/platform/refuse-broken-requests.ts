import { randomUUID } from 'node:crypto';
import { type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { errorBody, HTTP_STATUS } from './error-response.ts';
import { DomainError } from './errors.ts';

/**
 * Answers what Node's parser refuses, and so never becomes a request: the one shape of an error, and
 * the end of the connection. Whatever follows on it can't be trusted to be what it looks like
 * (request smuggling lives on two readers that disagree about where a request ends).
 */
export function refuseBrokenRequests(server: Server): void {
  const answers = new WeakMap<Socket, ServerResponse>();
  server.prependListener('request', (request, response) => void answers.set(request.socket, response));
  server.on('clientError', (thrown: NodeJS.ErrnoException, socket) => {
    const answer = answers.get(socket as Socket);
    // In the middle of an answer, another would be taken for a part of it.
    const isAnswering = answer?.headersSent === true && !answer.writableFinished;
    if (!socket.writable || isAnswering || thrown.code === 'ECONNRESET') return void socket.destroy();
    socket.end(rawAnswer(brokenRequest(thrown.code)));
  });
}

function brokenRequest(code: string | undefined): DomainError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new DomainError('HEADERS_TOO_LARGE', 'The address and headers are larger than 16 KB together.');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new DomainError('FILE_TOO_LARGE', 'The chunk extensions of the body are too large. Send none.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new DomainError('REQUEST_TIMEOUT', 'The request did not arrive in time. Send it again, faster.');
    default:
      return new DomainError('INVALID_REQUEST', 'This is not a valid HTTP/1.1 request.');
  }
}

function rawAnswer(error: DomainError): string {
  const status = HTTP_STATUS[error.code];
  const requestId = randomUUID();
  const body = JSON.stringify(errorBody(error, { requestId }));
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'X-Content-Type-Options: nosniff',
    `X-Request-Id: ${requestId}`,
    '',
    body,
  ].join('\r\n');
}
