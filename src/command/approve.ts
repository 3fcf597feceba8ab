// `peerboot approve|deny <code>`, `peerboot pin`, `peerboot forget`: what an administrator says to machines that wait.
import { type Approval, MachineView, PinView } from '../api/machines.ts';
import { ROUTES } from '../api/routes.ts';
import { adminClient, type PeerAddressOptions } from './admin-client.ts';
import { colours, printJson } from './terminal.ts';

export interface ApproveOptions extends PeerAddressOptions {
  readonly image?: string;
  readonly allowNonBlank?: boolean;
  readonly disk?: string;
  readonly name?: string;
  readonly json?: boolean;
}

export async function approve(code: string, options: ApproveOptions): Promise<void> {
  const { allowNonBlank, disk, image, name } = options;
  const approval: Approval = {
    code,
    ...(image === undefined ? {} : { image }),
    ...(allowNonBlank === undefined ? {} : { allowNonBlank }),
    ...(disk === undefined ? {} : { disk }),
    ...(name === undefined ? {} : { name }),
  };
  await say(approval, options, (who) => `approved: ${who} is imaged within seconds`);
}

export async function deny(code: string, options: ApproveOptions): Promise<void> {
  await say({ code, deny: true }, options, (who) => `denied: ${who} boots its own disk`);
}

async function say(
  approval: Approval,
  options: ApproveOptions,
  words: (who: string) => string,
): Promise<void> {
  const machine = MachineView.parse(await adminClient(options).post(ROUTES.approvals, approval));
  if (options.json === true) return printJson({ ok: true, machine });
  const { product, serial } = machine.identity;
  const who = [product, serial === undefined ? undefined : `serial ${serial}`].filter(Boolean).join(', ');
  console.log(`${colours.green('✔')} ${words(`${machine.id}${who === '' ? '' : ` (${who})`}`)}`);
}

export interface PinOptions extends PeerAddressOptions {
  readonly uses: number;
  readonly minutes: number;
  readonly json?: boolean;
}

export async function pin(options: PinOptions): Promise<void> {
  const { uses, minutes } = options;
  const client = adminClient(options);
  const made = PinView.parse(await client.post(ROUTES.pins, { uses, minutes }));
  if (options.json === true) return printJson(made);
  const spaced = `${made.pin.slice(0, 4)} ${made.pin.slice(4)}`;
  console.log(
    `${colours.bold(spaced)}  good for ${uses === 1 ? 'one machine' : `${uses} machines`}, ${minutes} minutes`,
  );
  console.log(`Scan the code on the machine's screen, or open ${ROUTES.approve} of this peer on a phone.`);
}

export async function forget(
  machine: string,
  options: PeerAddressOptions & { readonly json?: boolean },
): Promise<void> {
  await adminClient(options).delete(`${ROUTES.machines}/${encodeURIComponent(machine)}`);
  if (options.json === true) printJson({ ok: true });
  else console.log(`${colours.green('✔')} ${machine} is forgotten, also what it was imaged with`);
}
