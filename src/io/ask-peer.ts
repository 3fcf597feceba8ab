// Asks another peer of the site for its facts; silence and nonsense are no answer.
import { ROUTES } from '../api/routes.ts';
import type { Ipv4 } from '../base/addresses.ts';

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
    const pieces: Buffer[] = [];
    let length = 0;
    for await (const piece of body as AsyncIterable<Buffer>) {
      length += piece.length;
      if (length > MOST_BYTES) return undefined;
      pieces.push(piece);
    }
    return statusCode === 200 ? JSON.parse(Buffer.concat(pieces).toString('utf8')) : undefined;
  } catch {
    // Refused, too slow or no JSON: whoever asks shows the peer without its facts.
    return undefined;
  }
}
