/** Chances: which files are chosen for a closer look. */
import type { Random } from "../../bytes/index.ts";

const WORDS_AT_ONCE = 1024;

/** 0 up to, not including, 1. */
export function randomFraction(random: Random): () => number {
  let words = new Uint32Array(0);
  let at = 0;
  return () => {
    if (at === words.length) {
      words = new Uint32Array(random.bytes(WORDS_AT_ONCE * 4).buffer);
      at = 0;
    }
    return (words[at++] ?? 0) / 2 ** 32;
  };
}
