// The page of approval in a real browser of a phone's size: a technician taps a waiting machine through, or turns it away.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openPhone, type PhonePage } from '../support/browser.ts';
import { checkIn, image, type TestPeer, testPeer } from './peer.ts';

/** The smallest in common use, and an ordinary one in the dark. */
const PHONES = [
  { name: 'light', width: 390, height: 844 },
  { name: 'small-dark', width: 320, height: 568, dark: true },
];
/** What is tapped is at least as large as both platforms' guidelines want: 44 pixels. */
const FINGER = 44;
const PICTURES = process.env.PHONE_PICTURES;

describe.each(PHONES)('on a phone, $name', ({ name, ...size }) => {
  let phone: PhonePage;
  let peer: TestPeer;
  let base: string;
  let shown: string;

  beforeAll(async () => {
    phone = await openPhone(size);
  });
  afterAll(() => phone?.close());
  beforeEach(async () => {
    peer = testPeer({ registry: { unknown: 'wait' } });
    peer.images.push(image('kiosk', '1'));
    const address = await peer.http.app.listen({ host: '127.0.0.1', port: 0 });
    base = address;
    shown = await machineAsks().then(({ code }) => code ?? '');
    return () => peer.http.stop();
  });

  async function post<T>(path: string, body: object): Promise<T> {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(base + path, { method: 'POST', headers, body: JSON.stringify(body) });
    return (await answer.json()) as T;
  }
  const machineAsks = async () =>
    (await post<{ plan: { kind: string; code?: string; image?: object } }>('/agent/v1/check-in', checkIn()))
      .plan;
  const newPin = async () => (await post<{ pin: string }>('/admin/v1/pins', { uses: 2, minutes: 15 })).pin;

  async function picture(step: string): Promise<void> {
    if (PICTURES === undefined) return;
    mkdirSync(PICTURES, { recursive: true });
    writeFileSync(join(PICTURES, `${name}-${step}.png`), await phone.picture());
  }

  /** Nothing must be scrolled sideways, and every control must be large enough. */
  async function fits(): Promise<void> {
    const { wide, small } = await phone.evaluate<{ wide: boolean; small: string[] }>(`({
      wide: document.documentElement.scrollWidth > innerWidth,
      small: [...document.querySelectorAll('button, select, input:not([type=checkbox]), label.check')]
        .map((one) => [one.id || one.textContent, one.getBoundingClientRect()])
        .filter(([, box]) => box.height > 0 && box.height < ${FINGER})
        .map(([id]) => id),
    })`);
    expect({ wide, small }).toEqual({ wide: false, small: [] });
  }

  /** As WCAG counts it, of the message on its ground. */
  const contrast = () =>
    phone.evaluate<number>(`(() => {
      const paint = document.createElement('canvas').getContext('2d');
      const light = (colour) => {
        paint.fillStyle = colour;
        paint.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...paint.getImageData(0, 0, 1, 1).data]
          .map((byte) => byte / 255)
          .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const text = light(getComputedStyle(document.getElementById('said')).color);
      const ground = light(matchMedia('(prefers-color-scheme: dark)').matches ? '#121212' : '#ffffff');
      return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
    })()`);
  const said = () => phone.evaluate<string>("document.getElementById('said').textContent");

  /** As the QR code leads there: the code stands in the address already. */
  async function look(pin: string): Promise<void> {
    await phone.open(`${base}/approve#${shown}`);
    await phone.sees("document.activeElement.id === 'pin'");
    await phone.type(pin);
    await picture('1-asked');
    await fits();
    await phone.tap('#ask button');
    await phone.sees("!document.getElementById('decide').hidden");
  }

  it('a machine is approved by tapping, once its serial is compared', async () => {
    await look(await newPin());
    await picture('2-machine');
    await fits();
    expect(await phone.evaluate("document.getElementById('v-code').textContent.replace(' ', '')")).toBe(
      shown,
    );
    expect(await phone.evaluate("document.getElementById('v-serial').textContent")).toBe('SN-1');
    expect(await phone.evaluate("document.getElementById('yes').disabled")).toBe(true);
    await phone.tap('#same');
    await phone.evaluate("document.getElementById('image').value = 'kiosk'");
    await phone.sees("!document.getElementById('yes').disabled");
    await phone.tap('#yes');
    await phone.sees("document.getElementById('decide').hidden");
    await picture('3-approved');
    expect(await said()).toMatch(/^Approved: .* \([A-Z]{4} [A-Z]{4}, serial SN-1\)$/);
    expect(await machineAsks()).toMatchObject({ kind: 'image', image: { name: 'kiosk' } });
  });

  it('a machine is denied', async () => {
    await look(await newPin());
    await phone.tap('#no');
    await phone.sees("document.getElementById('decide').hidden");
    expect(await said()).toMatch(/^Denied: /);
    expect(await machineAsks()).toMatchObject({ kind: 'local-boot' });
  });

  it('the next machine is approved by the same PIN, and a tap too many does nothing', async () => {
    await look(await newPin());
    await phone.tap('#same');
    await phone.evaluate("(document.getElementById('image').value = 'kiosk')");
    // Both before the first is answered.
    await phone.evaluate("(document.getElementById('yes').click(), document.getElementById('yes').click())");
    await phone.sees("!document.getElementById('next').hidden");
    const other = checkIn({
      macs: ['52:54:00:12:34:57'],
      uuid: 'a4c4544a-0042-3010-8052-b9c04f4e3332',
      serial: 'SN-2',
    });
    const { plan } = await post<{ plan: { code: string } }>('/agent/v1/check-in', other);
    await phone.tap('#next');
    await fits();
    await phone.type(plan.code.toLowerCase());
    await phone.tap('#ask button');
    await phone.sees("!document.getElementById('decide').hidden");
    expect(await phone.evaluate("document.getElementById('v-serial').textContent")).toBe('SN-2');
  });

  it('a wrong PIN is told, and can be mended on the spot', async () => {
    await phone.open(`${base}/approve#${shown}`);
    await phone.type('11111111');
    await phone.tap('#ask button');
    await phone.sees("document.getElementById('said').className === 'wrong'");
    await picture('4-wrong');
    expect(await contrast()).toBeGreaterThan(4.5);
    expect(await said()).toMatch(/^The PIN is wrong[^`]*peerboot pin/);
    expect(await phone.evaluate("document.getElementById('decide').hidden")).toBe(true);
    const pin = await newPin();
    // The wrong one is selected, so that typing replaces it.
    await phone.type(pin);
    await phone.tap('#ask button');
    await phone.sees("!document.getElementById('decide').hidden");
    expect(await said()).toBe('');
  });
});
