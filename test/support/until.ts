// Waits until a condition holds, checking it again and again within a bound: for facts that raise no event.

export async function until<T>(
  check: () => T | Promise<T>,
  options: { readonly timeoutMs: number; readonly what: string; readonly everyMs?: number },
): Promise<NonNullable<T>> {
  const deadline = performance.now() + options.timeoutMs;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== null && value !== false) return value as NonNullable<T>;
    if (performance.now() > deadline) throw new Error(`not within ${options.timeoutMs} ms: ${options.what}`);
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? 25));
  }
}
