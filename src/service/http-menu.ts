// What a machine would see on its menu, for administrators: of a machine that is known, or of one that never came.
import type { FastifyInstance } from 'fastify';
import * as z from 'zod';
import { BOOT_FIRMWARES } from '../api/boot-entry.ts';
import type { CatalogueImage } from '../api/catalogue.ts';
import type { MachineView, MenuView } from '../api/machines.ts';
import { ROUTES } from '../api/routes.ts';
import { parseMac } from '../base/addresses.ts';
import { PeerbootError } from '../base/errors.ts';
import type { NamedFiles } from '../base/named-files.ts';
import { agentArchitecture } from '../boot/agent-files.ts';
import { planFor, type UnknownRule } from '../boot/plan.ts';
import { idOf, wordsOf } from '../boot/script-menu.ts';
import type { Assignments } from './assignments.ts';
import { missingAgentFiles } from './http-boot.ts';
import { checked } from './http-errors.ts';
import type { Machines } from './machines.ts';
import type { Menus } from './menus.ts';

export interface MenuRoutesOptions {
  readonly menus: Menus;
  readonly machines: Machines;
  readonly assignments: Assignments;
  readonly files: NamedFiles;
  readonly images: () => readonly CatalogueImage[];
  /** What a machine does that nothing is assigned to. */
  readonly unknown: UnknownRule;
}

const MenuQuery = z.object({
  machine: z.string().max(128).optional(),
  firmware: z.enum(BOOT_FIRMWARES).default('uefi-x64'),
});

/** To be registered in the scope that the guard of administration watches. */
export function menuRoutes(app: FastifyInstance, options: MenuRoutesOptions): void {
  const { assignments, files, images, machines, menus, unknown } = options;

  function machineOf(name: string | undefined): MachineView {
    const known = name === undefined ? undefined : machines.find(name);
    if (known !== undefined) return known;
    const mac = parseMac(name ?? '');
    if (name !== undefined && mac === undefined) {
      throw new PeerbootError('PB-HTTP-NOT-FOUND', `no machine is known as ${JSON.stringify(name)}`);
    }
    const identity = { macs: mac === undefined ? [] : [mac] };
    return { id: 'a machine that nobody knows', identity, rung: 'idle', reachedMs: {}, lastSeenMs: 0 };
  }

  app.get(ROUTES.menu, (request): MenuView => {
    const { firmware, machine: name } = checked(MenuQuery, request.query);
    const machine = machineOf(name);
    const decision =
      machines.decide(machine.id) ?? planFor(machine, assignments.about(machine), images(), { unknown });
    const processor = agentArchitecture(firmware === 'uefi-arm64' ? 'arm64' : 'x86_64');
    const hasAgent = missingAgentFiles(processor, files).length === 0;
    const menu = menus.menuOf({ machine, decision, hasAgent }, firmware);
    const why = menus.on ? '' : '; menus are off (`menu` in the configuration)';
    return {
      reason: `${machine.id}: ${decision.reason}${why}`,
      items: (menu?.items ?? []).map((item) => ({ id: idOf(item), kind: item.kind, title: wordsOf(item) })),
      leftOut: [...(menu?.leftOut ?? [])],
    };
  });
}
