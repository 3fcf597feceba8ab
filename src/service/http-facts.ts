// What HTTP sees of booting machines, for the doctor: boot files asked for and taken, and what each script told.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ROUTES } from '../api/routes.ts';
import { ANY_ADDRESS, type Ipv4, parseIpv4 } from '../base/addresses.ts';
import { planOfScript } from '../boot/capture-http.ts';
import type { Observed } from '../boot/observed.ts';

type Ask = Observed & { kind: 'http-request' };

export function reportFacts(app: FastifyInstance, onFact: (fact: Observed) => void): void {
  app.addHook('onRequest', async (request, reply) => {
    const ends = endsOf(request);
    if (ends === undefined) return;
    onFact({ kind: 'http-request', ...ends, method: request.method, path: request.url });
    reply.raw.once('close', () => {
      const { statusCode: status, writableFinished: whole } = reply.raw;
      onFact({ kind: 'http-answer', ...ends, status, whole });
    });
  });
  app.addHook('onSend', async (request, _reply, payload) => {
    const ends = request.routeOptions.url === ROUTES.script ? endsOf(request) : undefined;
    const plan = typeof payload === 'string' ? planOfScript(payload) : undefined;
    if (ends !== undefined && plan !== undefined)
      onFact({ kind: 'told', address: ends.client.address, plan });
    return payload;
  });
}

/** Of requests for scripts and boot files; undefined for all others. */
function endsOf(request: FastifyRequest): Pick<Ask, 'client' | 'server'> | undefined {
  if (!request.url.startsWith('/boot/')) return undefined;
  const { remoteAddress, remotePort, localAddress } = request.raw.socket;
  const address = addressOf(remoteAddress);
  if (address === undefined || remotePort === undefined) return undefined;
  return { client: { address, port: remotePort }, server: addressOf(localAddress) ?? ANY_ADDRESS };
}

function addressOf(text: string | undefined): Ipv4 | undefined {
  return parseIpv4((text ?? '').replace(/^::ffff:/i, ''));
}
