// Proves that a question or an answer between boot hosts comes from one that has the site's admin token, which never travels itself.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { machineProofText, type NameWish } from '../api/machines.ts';
import { ORDER_PROOF_HEADER, ROUTES } from '../api/routes.ts';
import type { Ipv4 } from '../base/addresses.ts';
import { textWithin } from './text-within.ts';

const ANSWER_MS = 2_000;
const MOST_BYTES = 16 * 1024 * 1024;

/** HMAC-SHA-256 (RFC 2104), in hexadecimal. */
export function createProver(adminToken: string): (text: string) => string {
  return (text) => createHmac('sha256', adminToken).update(`peerboot orders ${text}`).digest('hex');
}

interface Host {
  readonly address: Ipv4;
  readonly httpPort: number;
}

/** JSON of another boot host's orders; undefined when it is silent, or its answer is not proved for our question. */
export function askOrders(host: Host, prove: (text: string) => string): Promise<unknown> {
  return askProved(host, ROUTES.siteOrders, {
    ask: (nonce) => ({ [ORDER_PROOF_HEADER]: prove(`ask ${nonce}`) }),
    wanted: (nonce, body) => prove(`answer ${nonce} ${body}`),
  });
}

/** What another boot host has learnt of firmwares; without a token whoever answers there is believed. */
export function askFirmware(host: Host, prove: ((text: string) => string) | undefined): Promise<unknown> {
  const path = ROUTES.siteFirmware;
  return askProved(host, path, prove === undefined ? { ask: () => ({}) } : machineProofs(path, prove));
}

/** What another boot host has imaged and named; without a token whoever answers there is believed. */
export function askImaged(
  host: Host,
  since: number,
  prove: ((text: string) => string) | undefined,
): Promise<unknown> {
  const path = `${ROUTES.siteImaged}?since=${since}`;
  return askProved(host, path, prove === undefined ? { ask: () => ({}) } : machineProofs(path, prove));
}

/** A name for a machine from the boot host that numbers. */
export function askName(host: Host, wish: NameWish, prove: (text: string) => string): Promise<unknown> {
  const body = JSON.stringify(wish);
  return askProved(host, ROUTES.siteName, { ...machineProofs(ROUTES.siteName, prove, body), body });
}

function machineProofs(path: string, prove: (text: string) => string, question = ''): Proofs {
  return {
    ask: (nonce) => ({ [ORDER_PROOF_HEADER]: prove(machineProofText('ask', path, nonce, question)) }),
    wanted: (nonce, answer) => prove(machineProofText('answer', path, nonce, answer)),
  };
}

interface Proofs {
  /** Headers of the question. */
  ask(nonce: string): Record<string, string>;
  /** The only proof that is believed of an answer; absent: none is asked for. */
  wanted?(nonce: string, body: string): string;
  /** JSON to be posted; absent: a GET. */
  readonly body?: string;
}

async function askProved(host: Host, path: string, proofs: Proofs): Promise<unknown> {
  const nonce = randomBytes(16).toString('hex');
  try {
    const { request } = await import('undici');
    const url = `http://${host.address}:${host.httpPort}${path}${path.includes('?') ? '&' : '?'}nonce=${nonce}`;
    const { statusCode, headers, body } = await request(url, {
      ...(proofs.body === undefined
        ? { headers: proofs.ask(nonce) }
        : {
            method: 'POST',
            headers: { ...proofs.ask(nonce), 'content-type': 'application/json' },
            body: proofs.body,
          }),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const text = await textWithin(body, MOST_BYTES);
    if (text === undefined) return undefined;
    const wanted = proofs.wanted?.(nonce, text);
    const isProved = wanted === undefined || isSame(String(headers[ORDER_PROOF_HEADER] ?? ''), wanted);
    return statusCode === 200 && isProved ? JSON.parse(text) : undefined;
  } catch {
    // Refused, too slow or no JSON: it is asked again in a while.
    return undefined;
  }
}

function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}
