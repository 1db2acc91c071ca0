/** The part of the WebAssembly API that is used here. Node has it, but the types of Node do not declare it. */

declare global {
  namespace WebAssembly {
    /** Always made with `shared: true` here. */
    class Memory {
      constructor(descriptor: {
        readonly initial: number;
        readonly maximum: number;
        readonly shared: true;
      });
      readonly buffer: SharedArrayBuffer;
    }
    /** Compiled code; it can be posted to threads. */
    class Module {
      constructor(bytes: Uint8Array<ArrayBuffer>);
    }
    class Instance {
      constructor(
        module: Module,
        imports: Readonly<Record<string, Readonly<Record<string, Memory>>>>,
      );
      readonly exports: unknown;
    }
    function validate(bytes: Uint8Array<ArrayBuffer>): boolean;
  }
}

/** A memory shared between threads. */
export type SharedMemory = WebAssembly.Memory;
/** A compiled module. */
export type CompiledModule = WebAssembly.Module;
