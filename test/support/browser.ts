// Chromium without a window, driven by its own remote protocol (CDP) as a phone: taps, types, looks, takes pictures.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Running, start } from '../lab/process.ts';

export interface PhonePage {
  open(url: string): Promise<void>;
  /** The value of an expression in the page. */
  evaluate<T>(expression: string): Promise<T>;
  /** With a finger, in the middle of the element, after scrolling there; fails when something else lies over it. */
  tap(selector: string): Promise<void>;
  /** Into what has the focus. */
  type(text: string): Promise<void>;
  /** Waits for the expression to become true. */
  sees(expression: string): Promise<void>;
  /** The page as it is seen, as a PNG. */
  picture(): Promise<Buffer>;
  close(): Promise<void>;
}

export interface PhoneOptions {
  readonly width: number;
  readonly height: number;
  readonly dark?: boolean;
}

const LISTENING = /^DevTools listening on (ws:\S+)$/;

/** A phone of this size, in CSS pixels, with two of the screen's to each. */
export async function openPhone(options: PhoneOptions): Promise<PhonePage> {
  const profile = mkdtempSync(join(tmpdir(), 'pb-phone-'));
  const browser = start('chromium', [
    ...['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'],
    ...['--remote-debugging-port=0', `--user-data-dir=${profile}`, '--disable-background-networking'],
    'about:blank',
  ]);
  const close = async (protocol?: Protocol) => {
    protocol?.close();
    await browser.stop();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const protocol = await connect(browser);
    return { ...(await phone(protocol, options)), close: () => close(protocol) };
  } catch (error) {
    await close();
    throw error;
  }
}

async function phone(
  protocol: Protocol,
  { width, height, dark = false }: PhoneOptions,
): Promise<Omit<PhonePage, 'close'>> {
  const { targetId } = await protocol.ask<{ targetId: string }>('Target.createTarget', {
    url: 'about:blank',
  });
  const attach = { targetId, flatten: true };
  const { sessionId } = await protocol.ask<{ sessionId: string }>('Target.attachToTarget', attach);
  const ask = <T>(method: string, params: object = {}) => protocol.ask<T>(method, params, sessionId);
  const screen = { width, height, deviceScaleFactor: 2, mobile: true };
  await ask('Emulation.setDeviceMetricsOverride', screen);
  await ask('Emulation.setTouchEmulationEnabled', { enabled: true });
  const features = [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }];
  await ask('Emulation.setEmulatedMedia', { features });

  async function evaluate<T>(expression: string): Promise<T> {
    const asked = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await ask<Evaluated<T>>('Runtime.evaluate', asked);
    if (exceptionDetails !== undefined)
      throw new Error(exceptionDetails.exception?.description ?? expression);
    return result.value;
  }

  async function sees(expression: string): Promise<void> {
    // Asked in the page by its own frames: an event would need the page to raise one.
    const watch = `new Promise((seen, missed) => {
      const end = performance.now() + 10000;
      const look = () => (${expression}) ? seen(true)
        : performance.now() > end ? missed(new Error(${JSON.stringify(`never: ${expression}`)})) : setTimeout(look, 20);
      look();
    })`;
    await evaluate(watch);
  }

  return {
    evaluate,
    sees,
    async open(url) {
      await ask('Page.navigate', { url });
      await sees(`location.href === ${JSON.stringify(url)} && document.readyState === 'complete'`);
    },
    async tap(selector) {
      const { x, y, hit } = await evaluate<{ x: number; y: number; hit: boolean }>(`(() => {
        const target = document.querySelector(${JSON.stringify(selector)});
        target.scrollIntoView({ block: 'center', behavior: 'instant' });
        const box = target.getBoundingClientRect();
        const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
        return { x, y, hit: target.contains(document.elementFromPoint(x, y)) };
      })()`);
      if (!hit) throw new Error(`${selector} cannot be tapped: it is hidden, or something lies over it`);
      await ask('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [{ x, y }] });
      await ask('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
    },
    async type(text) {
      await ask('Input.insertText', { text });
    },
    async picture() {
      const { data } = await ask<{ data: string }>('Page.captureScreenshot', { format: 'png' });
      return Buffer.from(data, 'base64');
    },
  };
}

interface Evaluated<T> {
  readonly result: { readonly value: T };
  readonly exceptionDetails?: { readonly exception?: { readonly description?: string } };
}

interface Protocol {
  ask<T>(method: string, params?: object, sessionId?: string): Promise<T>;
  close(): void;
}

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

async function connect(browser: Running): Promise<Protocol> {
  const url = await browser.log.waitFor((line) => LISTENING.exec(line)?.[1], {
    timeoutMs: 60_000,
    what: 'chromium listens',
  });
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve, { once: true });
    socket.addEventListener('error', () => reject(new Error(`no connection to ${url}`)), { once: true });
  });
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  socket.addEventListener('message', ({ data }) => {
    const { id, result, error } = JSON.parse(String(data)) as Answer;
    const asked = id === undefined ? undefined : waiting.get(id);
    if (id === undefined || asked === undefined) return;
    waiting.delete(id);
    if (error === undefined) asked.resolve(result);
    else asked.reject(new Error(error.message));
  });
  socket.addEventListener('close', () => {
    for (const { reject } of waiting.values()) reject(new Error('chromium has gone'));
  });
  let last = 0;
  return {
    ask<T>(method: string, params: object = {}, sessionId?: string) {
      const asked = Promise.withResolvers<unknown>();
      waiting.set(++last, asked);
      socket.send(
        JSON.stringify({ id: last, method, params, ...(sessionId === undefined ? {} : { sessionId }) }),
      );
      return asked.promise as Promise<T>;
    },
    close: () => socket.close(),
  };
}
