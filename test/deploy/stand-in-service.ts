/**
 * A service of the least kind: `node stand-in-service.ts <setting of its port>`. Ready at once, says
 * what it was told, and ends when told or left alone, but where STAND_IN_STUBBORN is set.
 */
import { createServer } from 'node:http';

createServer((_request, response) => response.end('ok')).listen(
  Number(process.env[process.argv[2] ?? '']),
  '127.0.0.1',
);

function end(reason: string): void {
  process.stdout.write(`${reason}\n`, () => {
    if (!process.env['STAND_IN_STUBBORN']) process.exit(0);
  });
}
process.on('SIGTERM', () => end('SIGTERM'));
process.on('SIGINT', () => end('SIGINT'));
process.on('disconnect', () => end('disconnect'));
