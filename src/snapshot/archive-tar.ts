/**
 * Tar archives in the pax format: times to the nanosecond, owners and sizes of any length, proper Unix modes (Kopia
 * writes Go's, whose setuid, setgid and sticky bits other programs do not know).
 */
import { isUtf8 } from "node:buffer";
import { createTarPacker, type TarHeader } from "modern-tar";
import { bytesToUtf8 } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import type { ArchiveWriter } from "./archive-types.ts";
import type { DirEntry } from "./types.ts";

const NS_PER_S = 1_000_000_000n;
/** What eleven octal digits hold. */
const MAX_OCTAL_S = 8n ** 11n - 1n;
const ASCII = /^[\0-\x7f]*$/;

export function createTarWriter(): ArchiveWriter {
  const { readable, controller } = createTarPacker();
  const add = (header: TarHeader): WritableStreamDefaultWriter<Uint8Array> =>
    controller.add(header).getWriter();
  return {
    bytes: readable as AsyncIterable<Uint8Array>,
    async directory(path, entry) {
      await add({ ...headerOf(`${path}/`, entry), type: "directory", size: 0 }).close();
    },
    async symlink(path, entry, target) {
      if (!isUtf8(target)) {
        throw new SejfError(
          "SEJF_UNSUPPORTED",
          `the target of the symbolic link ${path} is not UTF-8, which a tar file cannot hold`,
          { hint: "restore it to a folder or to a zip file" },
        );
      }
      const linkname = bytesToUtf8(target);
      const header = headerOf(path, entry, linkname);
      await add({ ...header, type: "symlink", size: 0, linkname, mode: 0o777 }).close();
    },
    async file(path, entry, data) {
      const body = add({ ...headerOf(path, entry), type: "file", size: entry.sizeBytes });
      try {
        for await (const bytes of data instanceof Uint8Array ? [data] : data)
          await body.write(bytes);
        await body.close();
      } catch (error) {
        controller.error(error);
        throw error;
      }
    },
    // oxlint-disable-next-line require-await -- the interface is asynchronous
    async finish() {
      controller.finalize();
    },
    abort(error) {
      controller.error(error);
    },
  };
}

/** What the plain header cannot hold goes to pax records. */
function headerOf(
  name: string,
  { mode, uid, gid, mtimeNs }: DirEntry,
  linkname = "",
): Omit<TarHeader, "size" | "type"> {
  const fraction = ((mtimeNs % NS_PER_S) + NS_PER_S) % NS_PER_S;
  const seconds = (mtimeNs - fraction) / NS_PER_S;
  const pax: Record<string, string> = {};
  if (!ASCII.test(name)) pax["path"] = name;
  if (!ASCII.test(linkname)) pax["linkpath"] = linkname;
  if (fraction !== 0n || seconds < 0n || seconds > MAX_OCTAL_S)
    pax["mtime"] = decimal(seconds, fraction);
  const plain = seconds < 0n ? 0n : seconds > MAX_OCTAL_S ? MAX_OCTAL_S : seconds;
  const header = { name, mode, uid, gid, mtime: new Date(Number(plain) * 1000) };
  return Object.keys(pax).length === 0 ? header : { ...header, pax };
}

/** `fraction` counts up from `seconds`, also where they are negative: -1.25 is -2 seconds and 750,000,000. */
function decimal(seconds: bigint, fraction: bigint): string {
  if (fraction === 0n) return String(seconds);
  const [sign, whole, rest] =
    seconds < 0n ? ["-", -seconds - 1n, NS_PER_S - fraction] : ["", seconds, fraction];
  return `${sign}${whole}.${String(rest).padStart(9, "0").replace(/0+$/, "")}`;
}
