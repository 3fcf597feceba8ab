// `peerboot assign <machine|*> <image|local>`: tells the running peer what a machine shall get.
import type { z } from 'zod';
import { Assignment, AssignmentView } from '../api/machines.ts';
import { ROUTES } from '../api/routes.ts';
import { LOCAL_BOOT } from '../io/config-keys.ts';
import { adminClient, type PeerAddressOptions } from './admin-client.ts';
import { colours, printJson } from './terminal.ts';

export interface AssignOptions extends PeerAddressOptions {
  readonly allowNonBlank?: boolean;
  readonly disk?: string;
  readonly json?: boolean;
}

export async function assign(machine: string, image: string, options: AssignOptions): Promise<void> {
  const disk = {
    allowNonBlank: options.allowNonBlank ?? false,
    ...(options.disk === undefined ? {} : { match: options.disk }),
  };
  const target: Assignment['target'] =
    image === LOCAL_BOOT ? { kind: 'local-boot' } : { kind: 'image', image, disk };
  const answer = await adminClient(options).put(ROUTES.assignments, Assignment.parse({ machine, target }));
  const made: z.infer<typeof AssignmentView> = AssignmentView.parse(answer);
  if (options.json === true) printJson({ ok: true, assignment: made });
  else console.log(`${colours.green('✔')} ${describe(made)}`);
}

/** Takes back what was assigned by `assign`; an assignment in the configuration is taken out there. */
export async function unassign(machine: string, options: AssignOptions): Promise<void> {
  await adminClient(options).delete(`${ROUTES.assignments}/${encodeURIComponent(machine)}`);
  if (options.json === true) printJson({ ok: true });
  else console.log(`${colours.green('✔')} nothing is assigned to ${machine} any more`);
}

function describe({ machine, target }: Assignment): string {
  const who = machine === '*' ? 'every machine without an assignment of its own' : machine;
  if (target.kind === 'local-boot') return `${who} boots from its own disk`;
  const overwrites = target.disk.allowNonBlank ? ', overwriting what is on its disk' : '';
  const on = target.disk.match === undefined ? '' : ` on disk ${target.disk.match}`;
  return `${who} gets ${target.image}${on}${overwrites}`;
}
