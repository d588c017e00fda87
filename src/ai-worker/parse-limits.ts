import os from 'node:os';

/** What one document may take of the machine. */
export interface ParseLimits {
  /** Time by the clock, in ms. */
  wallMs: number;
  /** Computing of all threads, in ms. */
  cpuMs: number;
  /** Memory of the process that reads it, in MiB. */
  memoryMb: number;
  /** Chunks that it may become. */
  maxChunks: number;
}

const MIB = 1024 * 1024;

/** Computing granted for each MiB: honest Markdown takes 10 ms a kilobyte. */
const CPU_MS_PER_MIB = 10_000;
/** A scanned page takes some seconds, and may be as small as 30 KB. */
const OCR_CPU_MS_PER_MIB = 100_000;

/** The computing that a document of so many bytes may take, in ms; `baseMs` is granted to any. */
export function cpuAllowance(bytes: number, { baseMs, ocr }: { baseMs: number; ocr: boolean }): number {
  return baseMs + (bytes / MIB) * (ocr ? OCR_CPU_MS_PER_MIB : CPU_MS_PER_MIB);
}

/** Granted whatever a document's size: short sections make short chunks. */
const BASE_CHUNKS = 1000;
const BYTES_PER_CHUNK = 10;

/** The chunks that a document of so many bytes may become: kilobytes that unfold to gigabytes are no document. */
export function chunkAllowance(bytes: number, maxChunks: number): number {
  return Math.min(maxChunks, BASE_CHUNKS + Math.ceil(bytes / BYTES_PER_CHUNK));
}

/** Most of a container is the worker's to share out; a whole machine has other things to do. */
const WORKER_MB = 1024;
const MACHINE_SHARE = 0.5;
const LARGEST_MB = 1024;
/** Node with a tokenizer takes 100 MB before the first document. */
const SMALLEST_MB = 256;

export interface ParserMemory {
  /** MiB for each process. */
  memoryMb: number;
  /** False where all processes together may take more than there is. */
  fits: boolean;
}

/** Shares out memory among parser processes, so that all of them together fit the container or the machine. */
export function parserMemory(
  processes: number,
  { machineMb, containerMb }: { machineMb: number; containerMb: number | undefined } = availableMemory(),
): ParserMemory {
  const ofMachine = machineMb * MACHINE_SHARE;
  const share = containerMb === undefined ? ofMachine : Math.min(containerMb - WORKER_MB, machineMb);
  const memoryMb = Math.floor(Math.min(LARGEST_MB, share / processes));
  return { memoryMb: Math.max(SMALLEST_MB, memoryMb), fits: memoryMb >= SMALLEST_MB };
}

/** @returns `containerMb` undefined where no control group sets a limit. */
function availableMemory(): { machineMb: number; containerMb: number | undefined } {
  const machineMb = os.totalmem() / MIB;
  const constrainedMb = process.constrainedMemory() / MIB;
  // 0 or a number beyond any machine where there is no limit.
  return { machineMb, containerMb: constrainedMb > 0 && constrainedMb < machineMb ? constrainedMb : undefined };
}
