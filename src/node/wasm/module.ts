/** The module with all kernels: generated once a process, compiled once a thread. */
import { memoryCopy, ModuleBuilder } from "./assembler.ts";
import { addBlake2b } from "./blake2b-kernel.ts";
import { addBlake3Block, addBlake3Jobs } from "./blake3-kernel.ts";
import { addBuzhash, addKeyed } from "./buzhash-kernel.ts";
import type { CompiledModule, SharedMemory } from "./web-assembly.ts";

/** The functions of the module. Addresses and lengths are in bytes; see the kernels for what each does. */
export interface Kernels {
  scanBuzhash(from: number, end: number, mask: number, table: number, tiles: number): number;
  proposeKeyed(from: number, end: number, mask: number, table: number): number;
  listKeyed(
    from: number,
    stretch: number,
    mask: number,
    table: number,
    tiles: number,
    hits: number,
  ): number;
  blake2bUpdate(state: number, data: number, blocks: number): void;
  blake2bFinish(state: number, data: number, length: number, tail: number): void;
  blake3Block(cv: number, block: number, counter: number, length: number, flags: number): void;
  /** The regions may overlap. */
  copy(to: number, from: number, length: number): void;
  blake3Jobs(jobs: number, end: number, key: number, room: number): void;
}

/** The binary module. */
export function kernelModuleBytes(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  addBuzhash(module);
  addKeyed(module);
  addBlake2b(module);
  addBlake3Block(module);
  addBlake3Jobs(module);
  addCopy(module);
  return module.encode();
}

function addCopy(module: ModuleBuilder): void {
  const copy = module.addFunction(["i32", "i32", "i32"]);
  const [to, from, length] = copy.params;
  copy.body(memoryCopy(to.get, from.get, length.get));
  module.export("copy", copy);
}

let compiled: CompiledModule | null | undefined;

/** The compiled module, or `undefined` where WASM lacks vectors or shared memory. */
export function kernelModule(): CompiledModule | undefined {
  if (compiled === undefined) {
    const bytes = kernelModuleBytes();
    compiled = WebAssembly.validate(bytes) ? new WebAssembly.Module(bytes) : null;
  }
  return compiled ?? undefined;
}

/** An instance over `memory`, which must be shared. */
export function instantiateKernels(module: CompiledModule, memory: SharedMemory): Kernels {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as Kernels;
}
