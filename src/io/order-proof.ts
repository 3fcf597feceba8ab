// Proves that a question or an answer between boot hosts comes from one that has the site's admin token, which never travels itself.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { ORDER_PROOF_HEADER, ROUTES } from '../api/routes.ts';
import type { Ipv4 } from '../base/addresses.ts';

const ANSWER_MS = 2_000;
const MOST_BYTES = 16 * 1024 * 1024;

/** HMAC-SHA-256 (RFC 2104), in hexadecimal. */
export function createProver(adminToken: string): (text: string) => string {
  return (text) => createHmac('sha256', adminToken).update(`peerboot orders ${text}`).digest('hex');
}

/** JSON of another boot host's orders; undefined when it is silent, or its answer is not proved for our question. */
export async function askOrders(
  host: { readonly address: Ipv4; readonly httpPort: number },
  prove: (text: string) => string,
): Promise<unknown> {
  const nonce = randomBytes(16).toString('hex');
  try {
    const { request } = await import('undici');
    const url = `http://${host.address}:${host.httpPort}${ROUTES.siteOrders}?nonce=${nonce}`;
    const { statusCode, headers, body } = await request(url, {
      headers: { [ORDER_PROOF_HEADER]: prove(`ask ${nonce}`) },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const pieces: Buffer[] = [];
    let length = 0;
    for await (const piece of body as AsyncIterable<Buffer>) {
      length += piece.length;
      if (length > MOST_BYTES) return undefined;
      pieces.push(piece);
    }
    const text = Buffer.concat(pieces).toString('utf8');
    const given = Buffer.from(String(headers[ORDER_PROOF_HEADER] ?? ''));
    const wanted = Buffer.from(prove(`answer ${nonce} ${text}`));
    if (statusCode !== 200 || given.length !== wanted.length || !timingSafeEqual(given, wanted))
      return undefined;
    return JSON.parse(text);
  } catch {
    // Refused, too slow or no JSON: it is asked again in a while.
    return undefined;
  }
}
