// What this peer has learnt of firmwares, over HTTP: for the site's other boot hosts, and for administrators, who may have it forgotten.
import type { FastifyInstance } from 'fastify';
import { type FirmwareFacts, firmwareProofText } from '../api/firmware.ts';
import { ORDER_PROOF_HEADER, ROUTES } from '../api/routes.ts';
import { PeerbootError } from '../base/errors.ts';

export interface FirmwareForHttp {
  facts(): FirmwareFacts;
  forget(what: string | undefined): number;
  /** With the admin token that the boot hosts share: see io/order-proof. Absent: nobody asks for a proof here. */
  readonly prove?: ((text: string) => string) | undefined;
}

/**
 * Open to all: it tells no more than the machines themselves do on the wire. The proof is for the asker, who must not let just
 * anybody say how machines are answered.
 */
export function firmwareSiteRoute(app: FastifyInstance, { facts, prove }: FirmwareForHttp): void {
  app.get<{ Querystring: { nonce?: string } }>(ROUTES.siteFirmware, (request, reply) => {
    const { nonce = '' } = request.query;
    const body = JSON.stringify(facts());
    if (prove !== undefined && /^[0-9a-f]{32}$/.test(nonce)) {
      reply.header(ORDER_PROOF_HEADER, prove(firmwareProofText(nonce, body)));
    }
    return reply
      .headers({ 'cache-control': 'no-store', 'content-type': 'application/json; charset=utf-8' })
      .send(body);
  });
}

/** To be registered in the scope that the guard of administration watches. */
export function firmwareAdminRoutes(app: FastifyInstance, { facts, forget }: FirmwareForHttp): void {
  app.get(ROUTES.firmware, () => facts());
  app.delete(ROUTES.firmware, () => ({ forgotten: forget(undefined) }));
  app.delete<{ Params: { what: string } }>(`${ROUTES.firmware}/:what`, (request) => {
    const { what } = request.params;
    const forgotten = forget(what);
    if (forgotten > 0) return { forgotten };
    throw new PeerbootError('PB-HTTP-NOT-FOUND', `nothing is remembered of ${JSON.stringify(what)}`);
  });
}
