/**
 * Trees to measure on, the same bytes on every machine: made once below `SEJF_BENCH_DATA` (default: the system's
 * temporary folder), and kept until removed by hand.
 */
import { type Cipheriv, createCipheriv } from "node:crypto";
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { setFileTimes } from "../src/node/index.ts";

/** Bytes that do not compress: an AES-CTR keystream, one for each number. */
class Keystream {
  readonly #cipher: Cipheriv;

  constructor(number: number) {
    const iv = Buffer.alloc(16);
    iv.writeUInt32BE(number, 0);
    this.#cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16), iv);
  }

  bytes(length: number): Buffer {
    return this.#cipher.update(Buffer.alloc(length));
  }

  /** From 0 up to, not including, 1. */
  fraction(): number {
    return this.bytes(4).readUInt32BE() / 2 ** 32;
  }
}

export type DatasetName = "random" | "small" | "log" | "disk";

export interface Dataset {
  readonly name: DatasetName;
  readonly description: string;
  readonly path: string;
}

const MAKERS: Readonly<
  Record<DatasetName, { readonly description: string; readonly make: (path: string) => void }>
> = {
  random: { description: "1 GiB incompressible in 16 files", make: makeRandom },
  small: { description: "100,000 files, median 2 KiB, in 2,000 directories", make: makeSmall },
  log: { description: "1 GiB of log text in 16 files", make: makeLog },
  disk: {
    description: "a 2 GiB disk image: zeros, repeated, text and random blocks",
    make: makeDisk,
  },
};

/** The tree, made now if it is not there yet. */
export function dataset(name: DatasetName): Dataset {
  const folder = process.env["SEJF_BENCH_DATA"] ?? join(tmpdir(), "sejf-bench-data");
  const path = join(folder, name);
  const { description, make } = MAKERS[name];
  if (!existsSync(path)) {
    const unfinished = `${path}.unfinished`;
    mkdirSync(unfinished, { recursive: true });
    make(unfinished);
    renameSync(unfinished, path);
  }
  return { name, description, path };
}

/**
 * The same tree some days later, in a folder of its own: every fifth file is changed, every thirtieth is gone, and
 * some are new.
 */
export function mutatedDataset(name: DatasetName): Dataset {
  const before = dataset(name);
  const path = `${before.path}-later`;
  if (!existsSync(path)) {
    const unfinished = `${path}.unfinished`;
    rmSync(unfinished, { recursive: true, force: true });
    cpSync(before.path, unfinished, { recursive: true });
    copyTimes(before.path, unfinished);
    mutate(unfinished);
    renameSync(unfinished, path);
  }
  return { name, description: `${before.description}, changed`, path };
}

/** To the nanosecond: a file whose time was rounded is a changed one. */
function copyTimes(from: string, to: string): void {
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const { mtimeNs } = statSync(path, { bigint: true });
    setFileTimes(join(to, relative(from, path)), { mtimeNs });
  }
}

function mutate(path: string): void {
  const stream = new Keystream(3);
  const files = readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
  for (const [at, file] of files.entries()) {
    if (at % 30 === 29) rmSync(file);
    else if (at % 5 === 0) mutateFile(file, stream);
    if (at % 1000 === 0) writeFileSync(`${file}.new`, stream.bytes(5000));
  }
}

/** A disk image changes in blocks; other files get 1,000 bytes in their middle. */
function mutateFile(file: string, stream: Keystream): void {
  const { size } = statSync(file);
  const fd = openSync(file, "r+");
  if (size > 512 << 20) {
    for (let i = 0; i < 20; i++) {
      const offset = Math.floor((stream.fraction() * size) / 4096) * 4096;
      writeSync(fd, stream.bytes(4096), 0, 4096, offset);
    }
  } else {
    const tail = Buffer.alloc(size - (size >> 1));
    readSync(fd, tail, 0, tail.length, size >> 1);
    writeSync(fd, Buffer.concat([stream.bytes(1000), tail]), 0, tail.length + 1000, size >> 1);
  }
  closeSync(fd);
}

/** Blocks of 1 MiB, in runs as on a used disk: a third zeros, the rest of one pattern, text, or noise. */
function makeDisk(path: string): void {
  const stream = new Keystream(4000);
  const pattern = stream.bytes(1 << 20);
  const text = Buffer.from(
    "a line of text in a file of the image, number 0000000\n".repeat(20_000),
    "latin1",
  );
  let kind = 0;
  let left = 0;
  writeBig(join(path, "image.raw"), 2048, () => {
    if (left === 0) {
      kind = Math.floor(stream.fraction() * 6);
      left = 1 + Math.floor(stream.fraction() * 64);
    }
    left--;
    if (kind < 2) return Buffer.alloc(1 << 20);
    if (kind === 2) return pattern;
    if (kind === 3) return text.subarray(0, 1 << 20);
    return stream.bytes(1 << 20);
  });
}

function makeRandom(path: string): void {
  for (let file = 0; file < 16; file++) {
    const stream = new Keystream(1000 + file);
    writeBig(join(path, `random-${file}.bin`), 64, () => stream.bytes(1 << 20));
  }
}

/** Sizes: log-normal around 2 KiB, a few up to 1 MiB; half of the bytes compress. */
function makeSmall(path: string): void {
  const stream = new Keystream(1);
  for (let directory = 0; directory < 2000; directory++) {
    const folder = join(path, `group-${Math.floor(directory / 50)}`, `directory-${directory}`);
    mkdirSync(folder, { recursive: true });
    for (let file = 0; file < 50; file++) {
      // Twelve uniform draws make a normal one.
      let normal = -6;
      for (let i = 0; i < 12; i++) normal += stream.fraction();
      const size = Math.min(1 << 20, Math.round(2048 * Math.exp(1.1 * normal)));
      const bytes = stream.bytes(size);
      if (file % 2 === 0)
        bytes.write(
          bytes
            .subarray(0, size >> 2)
            .toString("hex")
            .slice(0, size),
          "latin1",
        );
      writeFileSync(join(folder, `file-${file}.dat`), bytes);
    }
  }
}

const PATHS = [
  "/",
  "/index.html",
  "/api/v1/items",
  "/login",
  "/static/app.js",
  "/static/style.css",
  "/api/v1/users",
];
const AGENTS = [
  "Mozilla/5.0 (X11; Linux x86_64)",
  "curl/8.5.0",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X)",
];

function makeLog(path: string): void {
  for (let file = 0; file < 16; file++) {
    const stream = new Keystream(2000 + file);
    let timeMs = Date.UTC(2026, 0, 1 + file);
    writeBig(join(path, `access-${file}.log`), 64, () => {
      const lines: string[] = [];
      let length = 0;
      while (length < 1 << 20) {
        const draw = stream.bytes(12);
        timeMs += draw.readUInt8(0);
        const address = `10.${draw[1]}.${draw[2]}.${draw[3]}`;
        const target = `${PATHS[draw.readUInt8(4) % PATHS.length]}?id=${draw.readUInt16BE(5)}`;
        const status = draw.readUInt8(7) < 240 ? 200 : 404;
        const agent = AGENTS[draw.readUInt8(8) % AGENTS.length];
        const line = `${new Date(timeMs).toISOString()} ${address} "GET ${target} HTTP/1.1" ${status} ${draw.readUInt16BE(9)} "${agent}"\n`;
        lines.push(line);
        length += line.length;
      }
      return Buffer.from(lines.join("").slice(0, 1 << 20), "latin1");
    });
  }
}

function writeBig(path: string, mebibytes: number, next: () => Buffer): void {
  const fd = openSync(path, "w");
  for (let i = 0; i < mebibytes; i++) writeSync(fd, next());
  closeSync(fd);
}
