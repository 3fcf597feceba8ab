// `peerboot assign <machine|tag:…|*> <image|local|boot:entry>`, or `assign --csv <file>`: tells the running peer what machines shall get.
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { Assignment, AssignmentView, TAG_PREFIX } from '../api/machines.ts';
import { ROUTES } from '../api/routes.ts';
import { PeerbootError } from '../base/errors.ts';
import { BOOT_ENTRY_PREFIX, LOCAL_BOOT } from '../io/config-keys.ts';
import { adminClient, type PeerAddressOptions } from './admin-client.ts';
import { type Outcome, reach, saidBy } from './everywhere.ts';
import { parseMachineList } from './machine-list.ts';
import { colours, printJson } from './terminal.ts';

export interface AssignOptions extends PeerAddressOptions {
  readonly allowNonBlank?: boolean;
  readonly disk?: string;
  readonly name?: string;
  readonly again?: boolean;
  /** Tell every boot host of the site. */
  readonly everywhere?: boolean;
  readonly json?: boolean;
}

/** The exit status: 1 when a peer of several did not take it. */
export async function assign(machine: string, image: string, options: AssignOptions): Promise<number> {
  const disk = {
    allowNonBlank: options.allowNonBlank ?? false,
    ...(options.disk === undefined ? {} : { match: options.disk }),
  };
  const target: Assignment['target'] =
    image === LOCAL_BOOT
      ? { kind: 'local-boot' }
      : image.startsWith(BOOT_ENTRY_PREFIX)
        ? { kind: 'boot-entry', entry: image.slice(BOOT_ENTRY_PREFIX.length) }
        : { kind: 'image', image, disk };
  const assignment = Assignment.safeParse({
    machine,
    target,
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.again === undefined ? {} : { again: options.again }),
  });
  if (!assignment.success) {
    const [issue] = assignment.error.issues;
    throw new PeerbootError('PB-REQUEST-INVALID', `${issue?.path.join('.')}: must be ${issue?.message}`);
  }
  const outcomes = await reach(
    options,
    options.everywhere === true ? 'tag:boot-host' : undefined,
    async (client) => AssignmentView.parse(await client.put(ROUTES.assignments, assignment.data)),
  );
  const [first] = outcomes;
  if (outcomes.length > 1) return sayAll(outcomes, options);
  if (options.json === true) printJson({ ok: true, assignment: first?.value });
  else console.log(`${colours.green('✔')} ${describe(assignment.data)}`);
  return 0;
}

function sayAll(outcomes: readonly Outcome<AssignmentView>[], options: AssignOptions): number {
  const ok = outcomes.every(({ error }) => error === undefined);
  if (options.json === true) {
    const peers = outcomes.map(({ peer, value, error }) => ({ peer, assignment: value, code: error?.code }));
    printJson({ ok, peers });
  } else console.log(saidBy(outcomes, describe).join('\n'));
  return ok ? 0 : 1;
}

/** All machines of a list, or none. */
export async function assignList(file: string, options: AssignOptions): Promise<void> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new PeerbootError('PB-LIST-INVALID', `${file} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
  const list = parseMachineList(text, {
    allowNonBlank: options.allowNonBlank ?? false,
    disk: options.disk,
    localBoot: LOCAL_BOOT,
  });
  const answer = z
    .object({ assignments: z.array(AssignmentView) })
    .parse(await adminClient(options).put(ROUTES.assignmentList, list));
  const [machines, assigned] = [list.notes.length, answer.assignments.length];
  if (options.json === true) return printJson({ ok: true, machines, assignments: answer.assignments });
  const untold = machines - assigned;
  const rest = untold === 0 ? '' : `, ${untold} by their tags`;
  console.log(`${colours.green('✔')} ${machines} machines: ${assigned} get an image of their own${rest}`);
}

/** Takes back what was assigned by `assign`; an assignment in the configuration is taken out there. */
export async function unassign(machine: string, options: AssignOptions): Promise<void> {
  await adminClient(options).delete(`${ROUTES.assignments}/${encodeURIComponent(machine)}`);
  if (options.json === true) printJson({ ok: true });
  else console.log(`${colours.green('✔')} nothing is assigned to ${machine} any more`);
}

function describe({ machine, target }: Assignment): string {
  const who =
    machine === '*'
      ? 'every machine without an assignment of its own'
      : machine.startsWith(TAG_PREFIX)
        ? `every machine tagged ${machine.slice(TAG_PREFIX.length)}`
        : machine;
  if (target.kind === 'local-boot') return `${who} boots from its own disk`;
  if (target.kind === 'boot-entry') return `${who} starts ${target.entry} once, then its own disk`;
  const overwrites = target.disk.allowNonBlank ? ', overwriting what is on its disk' : '';
  const on = target.disk.match === undefined ? '' : ` on disk ${target.disk.match}`;
  return `${who} gets ${target.image}${on}${overwrites}`;
}
