import assert from 'node:assert/strict';
import { PROCESSING_ERROR_CODES } from '../../src/documents/job.ts';
import { HTTP_STATUS } from '../../src/platform/error-response.ts';
import { list, read } from './static-files.ts';

describe('runbooks', () => {
  it('say of every code that a document can fail with what it means', () => {
    const page = read('deploy/runbooks/dead-letters.md');
    const explained = [...page.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code);
    assert.deepEqual(explained.sort(), [...PROCESSING_ERROR_CODES].sort());
  });

  it('say of every code that a request can be answered with what it means, under its status', () => {
    const rows = read('deploy/runbooks/slo-availability.md')
      .split('\n')
      .filter((line) => /^\| \d/.test(line));
    const explained = rows.flatMap((row) =>
      [...row.matchAll(/(\d{3}) `([A-Z_]+)`/g)].map(([, ...pair]) => pair.join()),
    );
    assert.deepEqual(
      explained.sort(),
      Object.entries(HTTP_STATUS)
        .map(([code, status]) => `${status},${code}`)
        .sort(),
    );
  });

  it('lead to pages and headings that exist', () => {
    const slug = (heading: string) =>
      heading
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-');
    for (const path of [...list('deploy/runbooks', '.md'), 'deploy/README.md'])
      for (const [, target = ''] of read(path).matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
        const [file = '', anchor] = target.split('#');
        const folder = path.slice(0, path.lastIndexOf('/'));
        const page = read(file === '' ? path : `${folder}/${file.replace(/\/$/, '/README.md')}`);
        const headings = [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => slug(heading));
        assert.ok(anchor === undefined || headings.includes(anchor), `${path}: ${target}`);
      }
  });
});
