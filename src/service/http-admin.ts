// Administration over HTTP: machines, their events as a stream, assignments, images. For this endpoint itself, or by token.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Assignment } from '../api/machines.ts';
import { ROUTES } from '../api/routes.ts';
import { PeerbootError } from '../base/errors.ts';
import type { Timers } from '../base/time.ts';
import { isOfOneMachine } from '../boot/plan.ts';
import type { Assignments } from './assignments.ts';
import { addressOf } from './http-boot.ts';
import { checked } from './http-errors.ts';
import { streamMachines } from './http-events.ts';
import { machineAdminRoutes, requireImage, requireName } from './http-machines.ts';
import type { CatalogueForHttp } from './http-ports.ts';
import type { Machines } from './machines.ts';

export interface AdminRoutesOptions {
  readonly machines: Machines;
  readonly assignments: Assignments;
  readonly catalogue: CatalogueForHttp;
  readonly timers: Timers;
  readonly site: string;
  /** When set, every request needs it, also those of this endpoint; when not, only loopback is answered. */
  readonly adminToken?: string | undefined;
}

export function adminRoutes(app: FastifyInstance, options: AdminRoutesOptions): void {
  const { assignments, catalogue, machines } = options;
  app.addHook('onRequest', async (request) => admit(request, options.adminToken));

  /** An approval is of the machine's own id, the most specific there is: who names the machine now means to replace it. */
  function replaceApproval(name: string): void {
    const named = isOfOneMachine(name) ? machines.find(name) : undefined;
    if (named !== undefined && named.id !== name) assignments.remove(named.id);
  }

  app.get(ROUTES.machines, () => ({ machines: machines.list() }));

  app.get<{ Params: { name: string } }>(`${ROUTES.machines}/:name`, (request) => {
    const machine = machines.find(request.params.name);
    if (machine !== undefined) return machine;
    throw new PeerbootError(
      'PB-HTTP-NOT-FOUND',
      `no machine is known as ${JSON.stringify(request.params.name)}`,
    );
  });

  machineAdminRoutes(app, options);

  const stream = streamMachines(machines, options.timers);
  app.get(ROUTES.machineEvents, (_request, reply) => stream(reply));

  app.get(ROUTES.assignments, () => ({ assignments: assignments.list() }));

  app.put(ROUTES.assignments, (request) => {
    const assignment = checked(Assignment, request.body);
    requireName(assignment.name);
    requireImage(assignment, catalogue);
    replaceApproval(assignment.machine);
    return assignments.put(assignment);
  });

  app.delete<{ Params: { machine: string } }>(`${ROUTES.assignments}/:machine`, (request, reply) => {
    const { machine } = request.params;
    if (assignments.remove(machine)) return reply.code(204).send();
    throw new PeerbootError('PB-HTTP-NOT-FOUND', `nothing is assigned to ${JSON.stringify(machine)}`);
  });

  app.get(ROUTES.images, () => ({
    images: catalogue.images(),
    packages: catalogue.packages(),
    bootEntries: catalogue.bootEntries(),
    catalogue: catalogue.state(),
  }));
}

/**
 * Loopback is not enough where a browser runs: any page may send requests to 127.0.0.1, and with a name of its own
 * that resolves to it (DNS rebinding) also read the answers. So `Host` must be a literal loopback address or
 * `localhost`, and a request with an `Origin`, which browsers add and our tools do not, is refused.
 */
function admit(request: FastifyRequest, adminToken: string | undefined): void {
  if (request.headers.origin !== undefined) refuse('it came from a web page');
  if (adminToken !== undefined) {
    const given = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (!equalInConstantTime(given, adminToken)) refuse('it has no valid admin token');
    return;
  }
  if (!isLoopback(addressOf(request)))
    refuse('it came from another machine, and no admin token is configured');
  if (!/^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i.test(request.headers.host ?? '')) {
    refuse('its Host is not this endpoint');
  }
}

function refuse(why: string): never {
  throw new PeerbootError('PB-ADMIN-FORBIDDEN', `request refused: ${why}`);
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

/** Takes as long for a token that is nearly right as for one that is all wrong. */
export function equalInConstantTime(given: string, wanted: string): boolean {
  let difference = given.length ^ wanted.length;
  for (let i = 0; i < wanted.length; i++) difference |= given.charCodeAt(i) ^ wanted.charCodeAt(i);
  return difference === 0;
}
