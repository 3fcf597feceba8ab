// What this peer has learnt of firmwares, over HTTP: for the site's other boot hosts, and for administrators, who may have it forgotten.
import type { FastifyInstance } from 'fastify';
import type { FirmwareFacts } from '../api/firmware.ts';
import { ROUTES } from '../api/routes.ts';
import { PeerbootError } from '../base/errors.ts';
import { answerProved, requireProof } from './http-shared-machines.ts';

export interface FirmwareForHttp {
  facts(): FirmwareFacts;
  forget(what: string | undefined): number;
  /** With the admin token that the boot hosts share: see io/order-proof. Absent: it is told to all. */
  readonly prove?: ((text: string) => string) | undefined;
}

/** Where there is a token, only who has it is told, and believed. */
export function firmwareSiteRoute(app: FastifyInstance, { facts, prove }: FirmwareForHttp): void {
  app.get(ROUTES.siteFirmware, (request, reply) => {
    if (prove !== undefined) requireProof(request, prove, ROUTES.siteFirmware, '');
    return answerProved(request, reply, prove, ROUTES.siteFirmware, facts());
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
