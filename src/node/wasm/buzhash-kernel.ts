/**
 * The buzhash scan as WASM. With P(i) = rotl(P(i-1), 1) ^ T[b(i)] the hash of the 64 bytes up to i is P(i) ^ P(i-64),
 * so one table look-up a byte is enough if the last P are kept. They are computed for a tile of 512 positions in each
 * of two stretches at once (two independent chains keep the processor busy), then tested four at a time. A tile with
 * a hit, once in megabytes, is searched again byte by byte. Reference: scanBuzhash of splitter/scan.ts.
 */
import {
  type Code,
  doWhile,
  type FunctionBuilder,
  i32,
  i32x4,
  ifThen,
  type Local,
  type ModuleBuilder,
  returns,
  seq,
  v128,
  whileLoop,
} from "./assembler.ts";
import { TILE_BYTES, TILE_POSITIONS } from "./layout.ts";

/** Longest of the two stretches. A hit costs at most one such search byte by byte. */
export const STRETCH_POSITIONS = 8192;
const UNROLL = 16;
const WINDOW = 64;
const NONE = i32.const(-1);

/** What counts as a hit, for one hash and for four. */
interface HitTest {
  readonly one: (hash: Code, mask: Code) => Code;
  readonly four: (hash: Code, masks: Code) => Code;
}

const ZEROS = v128.const([0, 0, 0, 0]);

const KOPIA: HitTest = {
  one: (hash, mask) => i32.eqz(i32.and(hash, mask)),
  four: (hash, masks) => i32x4.eq(v128.and(hash, masks), ZEROS),
};

/** Runs of one byte have the hash 0, which proposes nothing. Reference: keyedScan of splitter/keyed-scan.ts. */
const KEYED: HitTest = {
  one: (hash, mask) => i32.and(i32.eqz(i32.and(hash, mask)), i32.gtU(hash, i32.const(0))),
  four: (hash, masks) => v128.andNot(i32x4.eq(v128.and(hash, masks), ZEROS), i32x4.eq(hash, ZEROS)),
};

/**
 * For cuts that a keyed hash decides on, of which most are none: `proposeKeyed(from, end, mask, table)` gives the address of
 * the first hit byte by byte, `listKeyed(from, stretch, mask, table, tiles, hits)` all tiles of two stretches that hold
 * one: their offsets go to `hits`, and the address behind the last is the result.
 */
export function addKeyed(module: ModuleBuilder): void {
  module.export("proposeKeyed", addByteScan(module, KEYED));
  module.export("listKeyed", addTileList(module));
}

/** `scanBuzhash(from, end, mask, table, tiles)`: the address of the first hit in `from` … `end` - 1, or -1. */
export function addBuzhash(module: ModuleBuilder): void {
  const byByte = addByteScan(module, KOPIA);
  const byTiles = addTileScan(module);
  const scan = module.addFunction(["i32", "i32", "i32", "i32", "i32"], "i32");
  const [from, end, mask, table, tiles] = scan.params;
  const [stretch, clean, hit] = scan.locals("i32", 3);
  const second = i32.add(from.get, i32.add(stretch.get, clean.get));
  const search = (first: Code, last: Code): Code =>
    seq(
      hit.set(byByte.call(first, last, mask.get, table.get)),
      ifThen(i32.eq(hit.get, NONE), "", returns(hit.get)),
    );
  scan.body(
    whileLoop(
      i32.geU(i32.sub(end.get, from.get), i32.const(2 * TILE_POSITIONS)),
      seq(
        stretch.set(
          i32.and(i32.shrU(i32.sub(end.get, from.get), i32.const(1)), i32.const(-TILE_POSITIONS)),
        ),
        ifThen(
          i32.gtU(stretch.get, i32.const(STRETCH_POSITIONS)),
          stretch.set(i32.const(STRETCH_POSITIONS)),
        ),
        clean.set(byTiles.call(from.get, stretch.get, mask.get, table.get, tiles.get)),
        ifThen(
          i32.ltU(clean.get, stretch.get),
          seq(
            search(i32.add(from.get, clean.get), i32.add(from.get, stretch.get)),
            search(second, i32.add(second, i32.const(TILE_POSITIONS))),
          ),
        ),
        from.set(i32.add(from.get, i32.shl(stretch.get, i32.const(1)))),
      ),
    ),
    byByte.call(from.get, end.get, mask.get, table.get),
  );
  module.export("scanBuzhash", scan);
}

function lookup(table: Local, address: Local, offset = 0): Code {
  return i32.load(i32.add(table.get, i32.shl(i32.load8U(address.get, offset), i32.const(2))));
}

function advance(local: Local, step: number): Code {
  return local.set(i32.add(local.get, i32.const(step)));
}

/** hash = rotl(hash, 1) ^ T[byte at `address` + `offset`]. */
function enter(hash: Local, table: Local, address: Local, offset = 0): Code {
  return hash.set(i32.xor(i32.rotl(hash.get, i32.const(1)), lookup(table, address, offset)));
}

/** `(from, end, mask, table)`: the plain way, for ends and for tiles with a hit. */
function addByteScan(module: ModuleBuilder, hits: HitTest): FunctionBuilder {
  const scan = module.addFunction(["i32", "i32", "i32", "i32"], "i32");
  const [from, end, mask, table] = scan.params;
  const [hash, at] = scan.locals("i32", 2);
  const test = ifThen(hits.one(hash.get, mask.get), returns(at.get));
  scan.body(
    ifThen(i32.geU(from.get, end.get), returns(NONE)),
    at.set(i32.sub(from.get, i32.const(WINDOW - 1))),
    whileLoop(i32.ltU(at.get, from.get), seq(enter(hash, table, at), advance(at, 1))),
    enter(hash, table, at),
    test,
    advance(at, 1),
    // `from` follows as the byte that leaves
    from.set(i32.sub(at.get, i32.const(WINDOW))),
    whileLoop(
      i32.ltU(at.get, end.get),
      seq(
        enter(hash, table, at),
        hash.set(i32.xor(hash.get, lookup(table, from))),
        test,
        advance(at, 1),
        advance(from, 1),
      ),
    ),
    NONE,
  );
  return scan;
}

interface Stretch {
  /** P at the last position. */
  readonly hash: Local;
  /** The next byte. */
  readonly input: Local;
  /** Where its tile lies, from the beginning of both. */
  readonly tileAt: number;
}

/**
 * `(from, stretch, mask, table, tiles)`: looks at `stretch` positions at `from` and as many behind those; how many of
 * each were found clean, in whole tiles.
 */
function addTileScan(module: ModuleBuilder): FunctionBuilder {
  const scan = module.addFunction(["i32", "i32", "i32", "i32", "i32"], "i32");
  const [from, length, mask, table, tiles] = scan.params;
  const done = scan.local("i32");
  scan.body(
    walkTiles(scan, { from, length, mask, table, tiles, done }, KOPIA, returns(done.get)),
    length.get,
  );
  return scan;
}

/** See `addKeyed`. */
function addTileList(module: ModuleBuilder): FunctionBuilder {
  const list = module.addFunction(["i32", "i32", "i32", "i32", "i32", "i32"], "i32");
  const [from, length, mask, table, tiles, hits] = list.params;
  const done = list.local("i32");
  const note = seq(i32.store(hits.get, done.get), advance(hits, 4));
  list.body(walkTiles(list, { from, length, mask, table, tiles, done }, KEYED, note), hits.get);
  return list;
}

interface TileWalk {
  readonly from: Local;
  readonly length: Local;
  readonly mask: Local;
  readonly table: Local;
  readonly tiles: Local;
  /** Positions of each stretch before the tile at hand. */
  readonly done: Local;
}

interface TileTest {
  readonly tiles: Local;
  readonly masks: Local;
  readonly found: Local;
  readonly hash: Local;
}

/** All tiles of two stretches; `onHit` where one of the two at hand holds a hit. */
function walkTiles(scan: FunctionBuilder, walk: TileWalk, hits: HitTest, onHit: Code): Code {
  const { from, length, mask, table, tiles, done } = walk;
  const [hashA, inputA, hashB, inputB, to, stop] = scan.locals("i32", 6);
  const [masks, found, hash] = scan.locals("v128", 3);
  const pair: readonly Stretch[] = [
    { hash: hashA, input: inputA, tileAt: 0 },
    { hash: hashB, input: inputB, tileAt: TILE_BYTES },
  ];
  /** `count` positions of both, stored behind `to`. */
  const hashBoth = (count: number): Code => {
    const steps: Code[] = [];
    for (let i = 0; i < count; i++) {
      for (const { hash, input, tileAt } of pair)
        steps.push(enter(hash, table, input, i), i32.store(to.get, hash.get, tileAt + 4 * i));
    }
    return seq(...steps, advance(inputA, count), advance(inputB, count), advance(to, 4 * count));
  };
  const fill = (unrolled: number, last: Code): Code =>
    seq(stop.set(last), doWhile(hashBoth(unrolled), i32.ltU(to.get, stop.get)));
  const tileStart = i32.add(tiles.get, i32.const(4 * WINDOW));
  return seq(
    inputA.set(i32.sub(from.get, i32.const(WINDOW - 1))),
    inputB.set(i32.add(inputA.get, length.get)),
    masks.set(i32x4.splat(mask.get)),
    // P before the window is 0; what is stored for it cancels
    ...pair.map(({ tileAt }) => i32.store(tiles.get, i32.const(0), tileAt)),
    to.set(i32.add(tiles.get, i32.const(4))),
    fill(WINDOW - 1, tileStart),
    doWhile(
      seq(
        to.set(tileStart),
        fill(UNROLL, i32.add(tileStart, i32.const(4 * TILE_POSITIONS))),
        testBoth({ tiles, masks, found, hash }, to, stop, hits),
        ifThen(v128.anyTrue(found.get), onHit),
        keepLast(tiles),
        advance(done, TILE_POSITIONS),
      ),
      i32.ltU(done.get, length.get),
    ),
  );
}

/** Sets `found` to something that is not 0 when a position of either tile is a cut. */
function testBoth(
  { tiles, masks, found, hash }: TileTest,
  at: Local,
  stop: Local,
  hits: HitTest,
): Code {
  const vectors: Code[] = [];
  for (let offset = 0; offset < 4 * UNROLL; offset += 16) {
    for (const tileAt of [0, TILE_BYTES]) {
      const here = v128.load(at.get, tileAt + 4 * WINDOW + offset);
      vectors.push(
        hash.set(v128.xor(here, v128.load(at.get, tileAt + offset))),
        found.set(v128.or(found.get, hits.four(hash.get, masks.get))),
      );
    }
  }
  return seq(
    found.set(ZEROS),
    at.set(tiles.get),
    stop.set(i32.add(tiles.get, i32.const(4 * TILE_POSITIONS))),
    doWhile(seq(...vectors, advance(at, 4 * UNROLL)), i32.ltU(at.get, stop.get)),
  );
}

/** The last 64 P of both tiles become the 64 before the next. */
function keepLast(tiles: Local): Code {
  const moves: Code[] = [];
  for (const tileAt of [0, TILE_BYTES]) {
    for (let offset = 0; offset < 4 * WINDOW; offset += 16) {
      moves.push(
        v128.store(
          tiles.get,
          v128.load(tiles.get, tileAt + 4 * TILE_POSITIONS + offset),
          tileAt + offset,
        ),
      );
    }
  }
  return seq(...moves);
}
