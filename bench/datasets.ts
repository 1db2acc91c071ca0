/**
 * Trees to measure on, the same bytes on every machine: made once below `SEJF_BENCH_DATA` (default: the system's
 * temporary folder), and kept until removed by hand.
 */
import { type Cipheriv, createCipheriv } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

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

export type DatasetName = "random" | "small" | "log";

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
