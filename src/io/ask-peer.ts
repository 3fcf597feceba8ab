// Asks another peer of the site for its facts; silence and nonsense are no answer.
import { ROUTES } from '../api/routes.ts';
import type { Ipv4 } from '../base/addresses.ts';
import { textWithin } from './text-within.ts';

/** A picture of the site shall not wait for a dead peer. */
const ANSWER_MS = 1_000;
const MOST_BYTES = 1024 * 1024;

interface Whom {
  readonly address: Ipv4;
  readonly httpPort: number;
}

export async function askPeer(peer: Whom): Promise<unknown> {
  try {
    // Ten megabytes that a peer without company does not need.
    const { request } = await import('undici');
    const { statusCode, body } = await request(`http://${peer.address}:${peer.httpPort}${ROUTES.siteLines}`, {
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const text = await textWithin(body, MOST_BYTES);
    return statusCode === 200 && text !== undefined ? JSON.parse(text) : undefined;
  } catch {
    // Refused, too slow or no JSON: whoever asks shows the peer without its facts.
    return undefined;
  }
}
