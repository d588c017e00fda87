import { ProcessingError } from '../../documents/job.ts';
import { MAX_TEXT_CHARACTERS, tooMuchText } from '../limit-errors.ts';
import { decodeText } from './decode-text.ts';
import type { Block, Parser } from './parser.ts';

/** A record with more values than this is taken apart instead of standing in one row. */
const MAX_VALUES_PER_ROW = 40;
const MAX_RECORD_DEPTH = 4;
/** A path shows at most this many of its last keys. */
const MAX_PATH_KEYS = 12;
/** Each value repeats its path: long keys are cut. */
const MAX_KEY_CHARACTERS = 100;

/** Where a value stands: a linked list, because a copied path a level would make depth quadratic. */
type Path = { parent: Path; key: string } | undefined;
type Scalar = string | number | boolean;

/** JSON as readable text: `path: value` lines for objects, a row for each record of an array. */
export const parseJson: Parser = async ({ bytes }) => blocksOf(parseOrThrow(decodeText(bytes)));

function parseOrThrow(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // The engine's message quotes the document; only the place in it may leave.
    const place = /\(line (\d+) column (\d+)\)$/.exec(error instanceof Error ? error.message : '');
    const where = place === null ? '' : ` (line ${place[1]}, column ${place[2]})`;
    throw new ProcessingError('CORRUPT_FILE', `The file is not valid JSON${where}.`, { cause: error });
  }
}

/** Walks with a stack of its own: nesting is the document's choice, and recursion would overflow. */
function blocksOf(root: unknown): Block[] {
  const blocks: Block[] = [];
  let characters = 0;
  const add = (kind: Block['kind'], text: string): void => {
    characters += text.length;
    if (characters > MAX_TEXT_CHARACTERS) throw tooMuchText(MAX_TEXT_CHARACTERS);
    if (text !== '') blocks.push({ kind, text });
  };
  const pending: { value: unknown; path: Path }[] = [{ value: root, path: undefined }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, path } = next;
    const nested: typeof pending = [];
    if (Array.isArray(value)) visitArray(value, path, { add, nested });
    else if (isObject(value)) visitObject(value, path, { add, nested });
    else add('text', scalarText(value) ?? '');
    for (const entry of nested.reverse()) pending.push(entry);
  }
  return blocks;
}

interface Output {
  /** @throws ProcessingError once there is too much. */
  add(kind: Block['kind'], text: string): void;
  /** Values to visit next, in order. */
  nested: { value: unknown; path: Path }[];
}

function visitObject(object: Record<string, unknown>, path: Path, { add, nested }: Output): void {
  const lines: string[] = [];
  for (const [key, value] of Object.entries(object)) {
    const at: Path = { parent: path, key: shortKey(key) };
    const text = scalarText(value);
    if (text === undefined) nested.push({ value, path: at });
    else if (text !== '') lines.push(`${pathText(at)}: ${text}`);
  }
  add('text', lines.join('\n'));
}

function visitArray(array: unknown[], path: Path, { add, nested }: Output): void {
  for (const [index, value] of array.entries()) {
    const at: Path = { parent: path, key: `[${index}]` };
    const pairs = flatRecord(value);
    // What follows a record that is too large for a row must come after it: then all of it waits.
    if (nested.length > 0 || pairs === undefined)
      nested.push({ value: pairs === undefined ? value : [value], path: at });
    else add('row', path === undefined ? pairs.join('; ') : `${pathText(path)}: ${pairs.join('; ')}`);
  }
}

/** `key: value` pairs of a small record; undefined for one too large or too deep for a row. */
function flatRecord(value: unknown): string[] | undefined {
  const pairs: string[] = [];
  const visit = (inner: unknown, path: string, depth: number): boolean => {
    const text = scalarText(inner);
    if (text !== undefined) {
      if (text !== '') pairs.push(path === '' ? text : `${path}: ${text}`);
      return pairs.length <= MAX_VALUES_PER_ROW;
    }
    if (depth === MAX_RECORD_DEPTH || !isObject(inner)) return false;
    return Object.entries(inner).every(([key, member]) =>
      visit(member, path === '' ? shortKey(key) : `${path}.${shortKey(key)}`, depth + 1),
    );
  };
  return visit(value, '', 0) ? pairs : undefined;
}

/** Text of a scalar or a list of scalars, empty for null; undefined for anything that nests. */
function scalarText(value: unknown): string | undefined {
  if (value === null) return '';
  if (Array.isArray(value)) return value.every(isScalar) ? value.map(String).join(', ') : undefined;
  return isScalar(value) ? String(value) : undefined;
}

function pathText(path: Path): string {
  const keys: string[] = [];
  let at = path;
  for (; at !== undefined && keys.length < MAX_PATH_KEYS; at = at.parent) keys.push(at.key);
  const shown = keys.reverse().join('.').replaceAll('.[', '[');
  return at === undefined ? shown : `….${shown}`;
}

const shortKey = (key: string): string =>
  key.length > MAX_KEY_CHARACTERS ? `${key.slice(0, MAX_KEY_CHARACTERS)}…` : key;

const isScalar = (value: unknown): value is Scalar => ['string', 'number', 'boolean'].includes(typeof value);
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
