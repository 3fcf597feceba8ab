// What boot hosts of a site tell each other of machines: those imaged and named, and a name from the one that numbers.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { machineProofText, NameWish } from '../api/machines.ts';
import { ORDER_PROOF_HEADER, ROUTES } from '../api/routes.ts';
import { PeerbootError } from '../base/errors.ts';
import { equalInConstantTime } from './http-admin.ts';
import { checked } from './http-errors.ts';
import type { Machines } from './machines.ts';

export interface SharedMachinesForHttp {
  readonly machines: Pick<Machines, 'imaged' | 'nameFor'>;
  /** With the admin token that the boot hosts share (io/order-proof). Absent: what was imaged is told to all, and no names are given. */
  readonly prove?: ((text: string) => string) | undefined;
}

const WISH_BYTES = 8 * 1024;

export function sharedMachineRoutes(app: FastifyInstance, { machines, prove }: SharedMachinesForHttp): void {
  app.get<{ Querystring: { since?: string; nonce?: string } }>(ROUTES.siteImaged, (request, reply) => {
    const since = /^\d{1,12}$/.test(request.query.since ?? '') ? Number(request.query.since) : 0;
    const path = `${ROUTES.siteImaged}?since=${since}`;
    if (prove !== undefined) requireProof(request, prove, path, '');
    return answerProved(request, reply, prove, path, machines.imaged(since));
  });

  if (prove === undefined) return;
  app.post(ROUTES.siteName, { bodyLimit: WISH_BYTES }, (request, reply) => {
    // What was sent is what JSON makes of it: the asker wrote it the same way.
    requireProof(request, prove, ROUTES.siteName, JSON.stringify(request.body));
    const name = machines.nameFor(checked(NameWish, request.body));
    return answerProved(request, reply, prove, ROUTES.siteName, name === undefined ? {} : { name });
  });
}

function nonceOf(request: FastifyRequest): string {
  const { nonce = '' } = request.query as { nonce?: string };
  return /^[0-9a-f]{32}$/.test(nonce) ? nonce : '';
}

/** Refuses whoever does not prove that it has the admin token of this site. */
export function requireProof(
  request: FastifyRequest,
  prove: (text: string) => string,
  path: string,
  body: string,
): void {
  const nonce = nonceOf(request);
  const proof = String(request.headers[ORDER_PROOF_HEADER] ?? '');
  const wanted = prove(machineProofText('ask', path, nonce, body));
  if (nonce !== '' && equalInConstantTime(proof, wanted)) return;
  throw new PeerbootError(
    'PB-ADMIN-FORBIDDEN',
    'request refused: it does not prove the admin token of this site',
  );
}

/** Proved for this question, where there is a token. */
export function answerProved(
  request: FastifyRequest,
  reply: FastifyReply,
  prove: ((text: string) => string) | undefined,
  path: string,
  value: object,
): FastifyReply {
  const body = JSON.stringify(value);
  if (prove !== undefined) {
    reply.header(ORDER_PROOF_HEADER, prove(machineProofText('answer', path, nonceOf(request), body)));
  }
  return reply
    .headers({ 'cache-control': 'no-store', 'content-type': 'application/json; charset=utf-8' })
    .send(body);
}
