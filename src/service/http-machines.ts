// Machines over HTTP beyond the list: lists of assignments, approval by code, PINs, the phone page.
import type { FastifyInstance } from 'fastify';
import { findImage } from '../api/catalogue.ts';
import {
  Approval,
  type Assignment,
  AssignmentList,
  type MachineView,
  PhoneApproval,
  PhoneLook,
  PinRequest,
  type PinView,
  type WaitingMachine,
} from '../api/machines.ts';
import { ROUTES } from '../api/routes.ts';
import { PeerbootError } from '../base/errors.ts';
import { templateFault } from '../boot/names.ts';
import { isOfOneMachine, normaliseMachineName } from '../boot/plan.ts';
import { ADMIN } from './approvals.ts';
import { approvePage } from './approve-page.ts';
import type { Assignments } from './assignments.ts';
import { addressOf } from './http-boot.ts';
import { checked } from './http-errors.ts';
import type { CatalogueForHttp } from './http-ports.ts';
import type { Machines } from './machines.ts';

export interface MachineRoutesOptions {
  readonly machines: Machines;
  readonly assignments: Assignments;
  readonly catalogue: CatalogueForHttp;
  readonly site: string;
}

/** Thousands of lines; each is a few hundred bytes. */
const LIST_BYTES = 4 * 1024 * 1024;
const PHONE_BYTES = 4 * 1024;
const MOST_IMAGES = 64;

/** To be registered in the scope that the guard of administration watches. */
export function machineAdminRoutes(app: FastifyInstance, options: MachineRoutesOptions): void {
  const { assignments, catalogue, machines } = options;

  app.put(ROUTES.assignmentList, { bodyLimit: LIST_BYTES }, (request) => {
    const list = checked(AssignmentList, request.body);
    // All are looked at before any is made.
    for (const one of [...list.assignments, ...list.notes]) requireName(one.name);
    for (const one of list.assignments) requireImage(one, catalogue);
    return { assignments: assignments.putList(list.assignments, list.notes) };
  });

  app.post(ROUTES.approvals, (request) => approve(options, checked(Approval, request.body), ADMIN));

  app.post(ROUTES.pins, (request): PinView => {
    const { uses, minutes } = checked(PinRequest, request.body);
    const { code, expiresMs } = machines.approvals.pin(uses, minutes);
    return { pin: code, uses, expiresMs };
  });

  app.delete<{ Params: { name: string } }>(`${ROUTES.machines}/:name`, (request, reply) => {
    if (machines.forget(request.params.name) !== undefined) return reply.code(204).send();
    throw new PeerbootError(
      'PB-HTTP-NOT-FOUND',
      `no machine is known as ${JSON.stringify(request.params.name)}`,
    );
  });
}

/** Open: the page holds nothing, and what it asks needs a PIN. */
export function machineOpenRoutes(app: FastifyInstance, options: MachineRoutesOptions): void {
  const { catalogue, machines } = options;

  app.get(ROUTES.approve, (_request, reply) =>
    reply
      .headers({
        'content-type': 'text/html; charset=utf-8',
        'cache-control': 'no-store',
        'content-security-policy':
          "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
      })
      .send(approvePage(options.site)),
  );

  app.post(ROUTES.approveLook, { bodyLimit: PHONE_BYTES }, (request): WaitingMachine => {
    const { pin, code } = checked(PhoneLook, request.body);
    const who = addressOf(request);
    machines.approvals.checkPin(pin, who, false);
    const machine = waiting(machines, code, who);
    const { macs, product, serial } = machine.identity;
    // What was chosen on the machine's screen comes first: the page proposes it.
    const wished = machine.wish === undefined ? [] : [machine.wish];
    const names = [...wished, ...catalogue.images().map(({ name }) => name)];
    return {
      code: machine.waiting?.code ?? '',
      images: [...new Set(names)].slice(0, MOST_IMAGES),
      ...(serial === undefined ? {} : { serial }),
      ...(product === undefined ? {} : { product }),
      ...(macs[0] === undefined ? {} : { mac: macs[0] }),
      ...(machine.address === undefined ? {} : { address: machine.address }),
    };
  });

  app.post(ROUTES.approveDecide, { bodyLimit: PHONE_BYTES }, (request) => {
    const { pin, ...approval } = checked(PhoneApproval, request.body);
    const who = addressOf(request);
    machines.approvals.checkPin(pin, who, false);
    approve(options, approval, who);
    // Only what was decided uses it up: a slip of the finger costs nothing.
    machines.approvals.checkPin(pin, who, true);
    return { ok: true };
  });
}

/** Makes the assignment of the machine's own id: nothing is more specific, and it is used up once. */
function approve(options: MachineRoutesOptions, approval: Approval, who: string): MachineView {
  const { assignments, catalogue, machines } = options;
  requireName(approval.name);
  const machine = waiting(machines, approval.code, who);
  if (approval.deny === true) {
    assignments.put({ machine: machine.id, target: { kind: 'local-boot' } });
  } else {
    const assignment: Assignment = {
      machine: machine.id,
      target: {
        kind: 'image',
        image: approval.image ?? machine.wish ?? onlyImage(catalogue),
        disk: {
          allowNonBlank: approval.allowNonBlank ?? false,
          ...(approval.disk === undefined ? {} : { match: approval.disk }),
        },
      },
      ...(approval.name === undefined ? {} : { name: approval.name }),
    };
    requireImage(assignment, catalogue);
    assignments.put(assignment);
  }
  machines.approvals.end(machine.id);
  return machines.find(machine.id) ?? machine;
}

function waiting(machines: Machines, code: string, who: string): MachineView {
  const machine = machines.find(machines.approvals.find(code, who));
  if (machine !== undefined) return machine;
  throw new PeerbootError('PB-CODE-UNKNOWN', 'the machine that showed this code is gone');
}

function onlyImage(catalogue: CatalogueForHttp): string {
  const names = [...new Set(catalogue.images().map(({ name }) => name))];
  if (names.length === 1) return names[0] as string;
  const which = names.length === 0 ? 'there is no image' : `there are ${names.slice(0, 8).join(', ')}`;
  throw new PeerbootError('PB-APPROVE-IMAGE', `no image was named, and ${which}`);
}

/** A template that can never make a host name shall be told now. */
export function requireName(template: string | undefined): void {
  const fault = template === undefined ? undefined : templateFault(template);
  if (fault !== undefined) throw new PeerbootError('PB-REQUEST-INVALID', `name ${template}: ${fault}`);
}

/** A slip of the pen shall be told now; without any catalogue yet the image may still come. */
export function requireImage({ machine, target }: Assignment, catalogue: CatalogueForHttp): void {
  if (target.kind === 'boot-entry' && !isOfOneMachine(normaliseMachineName(machine))) {
    throw new PeerbootError('PB-REQUEST-INVALID', 'a boot entry is assigned to one machine, for one start');
  }
  if (target.kind === 'local-boot' || catalogue.state().state === 'none') return;
  if (target.kind === 'boot-entry') {
    if (findImage(catalogue.bootEntries(), target.entry) !== undefined) return;
    throw new PeerbootError('PB-BOOT-ENTRY-UNKNOWN', `the catalogue has no boot entry ${target.entry}`);
  }
  if (findImage(catalogue.images(), target.image) !== undefined) return;
  if (findImage(catalogue.packages(), target.image) !== undefined) {
    throw new PeerbootError(
      'PB-IMAGE-IS-PACKAGE',
      `${target.image} is a package: files for endpoints, not a disk for a machine`,
    );
  }
  throw new PeerbootError('PB-IMAGE-UNKNOWN', `the catalogue has no ${target.image}`);
}
