import assert from 'node:assert/strict';
import { splitMarkdown } from '../../../src/ai-worker/parse/md.ts';
import { failsWith, fixture, parse, texts } from './fixture.ts';

const utf16 = (text: string, { bigEndian = false, mark = true } = {}): Uint8Array => {
  const bytes = Buffer.from(mark ? `\ufeff${text}` : text, 'utf16le');
  return bigEndian ? bytes.swap16() : bytes;
};

describe('parsing plain text', () => {
  it('reads paragraphs', async () => {
    const blocks = await parse('txt', fixture('fog-signal.txt'));
    assert.equal(blocks.length, 4);
    assert.match(blocks[1]?.text ?? '', /^The first fog signal was a bronze bell/);
  });

  it('detects a legacy encoding', async () => {
    const [first] = texts(await parse('txt', fixture('letter-of-a-pilot.txt')));
    assert.equal(first, 'Brief des Lotsen Jörg Ähren an die Hafenbehörde, 14. März 1908');
  });

  it('finds the first foreign letter wherever it stands', async () => {
    const late = Buffer.concat([
      Buffer.from('plain text. '.repeat(20_000)),
      Buffer.from('Die Tonne lag südlich der Bänke.', 'latin1'),
    ]);
    assert.match(texts(await parse('txt', late)).join(), /südlich der Bänke/);
  });

  it('reads Cyrillic and Japanese encodings', async () => {
    const koi8 = Buffer.from('f0d2c9d7c5d42c20cdc9d22120fcd4cf20d4c5cbd3d420cec120d2d5d3d3cbcfcd20d1dad9cbc52e', 'hex');
    assert.match(texts(await parse('txt', koi8)).join(), /Привет, мир/);
    const shiftJis = Buffer.from(
      '939491e482cc8cf582cd8f5c94aa8a4397a282dc82c593cd82ab82dc82b7814296b682cc93fa82c982cd8e4f8f5c956282b282c682c98fe082aa96c282e882dc82b78142',
      'hex',
    );
    assert.match(texts(await parse('txt', shiftJis)).join(), /灯台の光は十八海里/);
  });

  for (const bigEndian of [false, true]) {
    for (const mark of [false, true]) {
      it(`reads UTF-16 (${bigEndian ? 'big' : 'little'} endian, ${mark ? 'with' : 'without'} a mark)`, async () => {
        const blocks = await parse(
          'txt',
          utf16('Tide at Gull Point.\r\n\r\nIt was high: 5.47 m ☂', { bigEndian, mark }),
        );
        assert.deepEqual(texts(blocks), ['Tide at Gull Point.', 'It was high: 5.47 m ☂']);
      });
    }
  }

  it('drops the mark of UTF-8, and what a database refuses', async () => {
    assert.deepEqual(texts(await parse('txt', '\ufeffa\u0000b \ud83d\u00ad-')), ['ab �-']);
  });

  it('parts paragraphs by blank lines, however many', async () => {
    const text = 'one\ntwo\n \t\nthree\r\n\r\nfour\ffive\n\n\n six ';
    assert.deepEqual(texts(await parse('txt', text)), ['one\ntwo', 'three', 'four\nfive', 'six']);
    assert.deepEqual(texts(await parse('txt', `a${'\n'.repeat(10_000_000)}b`)), ['a', 'b']);
  });

  for (const nothing of ['', ' \n\t\n', '\ufeff', '\u0000\u0000']) {
    it(`finds no text in ${JSON.stringify(nothing)}`, async () => {
      await assert.rejects(parse('txt', nothing), failsWith('NO_TEXT'));
    });
  }
});

describe('parsing Markdown', () => {
  it('reads headings, list items, table rows and code, and drops front matter', async () => {
    const blocks = await parse('md', fixture('keepers-handbook.md'));
    assert.deepEqual(blocks[0], { kind: 'heading', level: 1, text: 'Handbook for the keepers of Gull Point' });
    assert.ok(texts(blocks).includes('2. Dust with the badger brush, from the top down.'));
    assert.ok(
      texts(blocks, 'row').includes('Trouble: Mercury spilled; Call: Poison centre; Channel or number: 555 0142'),
    );
    assert.match(texts(blocks, 'code')[0] ?? '', /^reset of the fog detector:\n {2}press TEST/);
    assert.ok(!texts(blocks).some((text) => text.includes('revision')));
  });

  it('keeps a rule that is no front matter', async () => {
    assert.deepEqual(texts(await parse('md', '---\n\nText\n')), ['Text']);
  });

  it('reads HTML within, without its scripts', async () => {
    assert.deepEqual(texts(await parse('md', '<div><b>Ice</b> house</div>\n<script>bad()</script>\n')), ['Ice house']);
  });

  it('cuts long documents between blocks, never in fenced code', () => {
    const section = '# Heading\n\nText of a section.\n\n```\n# no heading\n\nno text\n```\n\n';
    const parts = splitMarkdown(section.repeat(20_000));
    assert.ok(parts.length > 3);
    assert.equal(parts.join(''), section.repeat(20_000));
    for (const part of parts) assert.match(part, /^# Heading|^Text|^```\n# no heading/);
  });

  for (const [what, hostile] of Object.entries({
    'deep quotes': `${'>'.repeat(50_000)} deep`,
    'deep lists': `${'- '.repeat(50_000)} deep`,
    'open brackets': `${'['.repeat(200_000)} deep`,
    'one long line': 'deep *emphasis '.repeat(100_000),
  })) {
    it(`survives ${what}`, async () => {
      assert.match(texts(await parse('md', hostile)).join(), /deep/);
    });
  }

  it('still tells headings in a very long document', async () => {
    const blocks = await parse('md', '# Berth\n\nIt is *deep*.\n\n'.repeat(400_000));
    assert.equal(blocks.length, 800_000);
    assert.deepEqual(blocks[0], { kind: 'heading', level: 1, text: 'Berth' });
  });
});

describe('parsing HTML', () => {
  it('reads the article of a page, without what surrounds it', async () => {
    const blocks = await parse('html', fixture('tide-station.html'));
    const all = texts(blocks).join('\n');
    assert.deepEqual(blocks[0], { kind: 'heading', level: 1, text: 'The tide station of Gull Point' });
    assert.deepEqual(texts(blocks, 'heading'), ['The tide station of Gull Point', 'What the record shows', 'Visiting']);
    assert.ok(texts(blocks, 'row').includes('Event: Highest water; Date: 31 January 1953; Height: 5.47 m'));
    assert.doesNotMatch(all, /Contact|analytics|float: left|all rights waived/);
  });

  it('falls back to the whole body', async () => {
    const page =
      '<html><head><title>Ferry</title></head><body><ul><li>nine<li>four</ul><div>by <b>boat</b><br>only</div></body></html>';
    assert.deepEqual(texts(await parse('html', page)), ['Ferry', 'nine', 'four', 'by boat\nonly']);
  });

  it('reads the cells of a table that lays out a page as its text', async () => {
    const page =
      '<table><tr><td><h2>Ferry</h2><p>at nine</p></td><td><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table></td></tr></table>';
    const blocks = await parse('html', page);
    assert.deepEqual(texts(blocks), ['Ferry', 'at nine', 'a: 1; b: 2']);
  });

  it('leaves out what is hidden', async () => {
    assert.deepEqual(
      texts(await parse('html', '<p>seen</p><p hidden>not</p><template>not</template><style>p{}</style>')),
      ['seen'],
    );
  });

  it('believes the encoding that a page declares', async () => {
    const page = Buffer.from('<meta charset="windows-1251"><p>\xcf\xf0\xe8\xe2\xe5\xf2</p>', 'latin1');
    assert.deepEqual(texts(await parse('html', page)), ['Привет']);
  });

  it('survives tags without end and nesting without sense', async () => {
    assert.deepEqual(texts(await parse('html', `${'<div>'.repeat(20_000)}deep`)), ['deep']);
    assert.deepEqual(texts(await parse('html', `${'<table><tr><td>'.repeat(2_000)}deep`)), ['deep']);
    assert.deepEqual(texts(await parse('html', '</td></table><td>cell</p><b')), ['cell']);
    for (const tag of ['<b>', '<table><tr><td>'])
      await assert.rejects(parse('html', `${tag.repeat(100_000)}deep`), failsWith('CORRUPT_FILE'));
  });

  it('takes megabytes of white space in linear time', async () => {
    const gap = ' '.repeat(2_000_000);
    assert.deepEqual(texts(await parse('html', `<pre>a${gap}b</pre>`)), [`a${gap}b`]);
  });

  it('finds no text in a page of scripts', async () => {
    await assert.rejects(parse('html', '<script>let a = 1;</script>'), failsWith('NO_TEXT'));
  });
});

describe('parsing JSON', () => {
  it('flattens objects to lines and records to rows', async () => {
    const blocks = await parse('json', fixture('berths.json'));
    assert.match(texts(blocks, 'text').join('\n'), /^dues\.perMetreAndNight: 2\.6$/m);
    assert.ok(
      texts(blocks, 'row').includes(
        'berths: name: Herring Quay; length: 120; depth: 4.2; bollards: 14; services: water, ice, diesel',
      ),
    );
  });

  it('keeps the order of an array whose records differ in size', async () => {
    const large = {
      name: 'large',
      ...Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`k${index}`, index])),
    };
    const all = texts(await parse('json', JSON.stringify([{ name: 'first' }, large, { name: 'last' }]))).join('\n');
    assert.match(all, /first[\s\S]*\[1\]\.name: large[\s\S]*k59: 59[\s\S]*last/);
  });

  it('says where a file stops being JSON, without quoting it', async () => {
    await assert.rejects(parse('json', '{\n  "a": 1,,\n}'), failsWith('CORRUPT_FILE', /line 2, column 10/));
    await assert.rejects(parse('json', '{ "secret": oops }'), (error: Error) => !/secret|oops/.test(error.message));
    await assert.rejects(parse('json', '{"a": [1, 2'), failsWith('CORRUPT_FILE'));
  });

  it('reads JSON that is nested without end', async () => {
    const depth = 200_000;
    assert.deepEqual(texts(await parse('json', `${'['.repeat(depth)}"deep"${']'.repeat(depth)}`)).length, 1);
    const [line] = texts(await parse('json', `${'{"a":'.repeat(depth)}"deep"${'}'.repeat(depth)}`));
    assert.match(line ?? '', /^….a\.a.*: deep$/);
  });

  it('finds no text in empty values', async () => {
    await assert.rejects(parse('json', '{"a": null, "b": [], "c": ""}'), failsWith('NO_TEXT'));
  });
});

describe('parsing CSV', () => {
  it('repeats the names of the columns in each row', async () => {
    const rows = texts(await parse('csv', fixture('arrivals-1931.csv')), 'row');
    assert.equal(rows.length, 8);
    assert.equal(
      rows[3],
      'date: 1931-04-01; vessel: Zwaluw; rig: barge; from: Delfzijl; cargo: bricks; tiles; tonnes: 120',
    );
  });

  for (const [name, delimiter] of Object.entries({ comma: ',', semicolon: ';', tab: '\t', pipe: '|' })) {
    it(`detects the ${name}`, async () => {
      const file = [
        ['berth', 'note'],
        ['1', '"wide, deep; new | dry\tat low"'],
        ['2', 'narrow'],
      ].map((row) => row.join(delimiter));
      assert.deepEqual(texts(await parse('csv', file.join('\r\n'))), [
        'berth: 1; note: wide, deep; new | dry at low',
        'berth: 2; note: narrow',
      ]);
    });
  }

  it('reads data without a header, titles above one, and a header alone', async () => {
    assert.deepEqual(texts(await parse('csv', '1,2\n3,4\n')), ['1; 2', '3; 4']);
    assert.deepEqual(texts(await parse('csv', 'Arrivals,,\nship,from,t\nMarit,Bergen,9\n')), [
      'Arrivals',
      'ship: Marit; from: Bergen; t: 9',
    ]);
    assert.deepEqual(texts(await parse('csv', 'ship,from\n')), ['ship; from']);
  });

  it('reads a file whose quote never closes', async () => {
    assert.deepEqual(texts(await parse('csv', 'ship,note\nMarit,"lost\nZwaluw,found\n')), [
      'ship: Marit; note: "lost',
      'ship: Zwaluw; note: found',
    ]);
  });

  it('takes a line of 30 MB for text', async () => {
    const blocks = await parse('csv', 'a b,'.repeat(7_500_000));
    assert.equal(blocks.length, 1);
    assert.equal(blocks[0]?.kind, 'text');
  });
});
