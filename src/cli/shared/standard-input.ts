/** Standard input as a stream of bytes that a stop ends at once, also while nothing comes. */
export async function* standardInput(signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
  const stop = (): void => {
    process.stdin.destroy();
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    if (signal.aborted) stop();
    for await (const chunk of process.stdin) yield chunk as Uint8Array;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
