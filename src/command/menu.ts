// `peerboot menu`: what a machine would see on its screen, and what is left out and why.
import { MenuView } from '../api/machines.ts';
import { ROUTES } from '../api/routes.ts';
import { adminClient, type PeerAddressOptions } from './admin-client.ts';
import { colours, formatTable, printJson } from './terminal.ts';

export interface MenuOptions extends PeerAddressOptions {
  readonly machine?: string;
  /** `bios`, `uefi` (x64), `uefi-x64` or `uefi-arm64`. */
  readonly firmware: string;
  readonly json?: boolean;
}

export async function menu(options: MenuOptions): Promise<void> {
  const query = new URLSearchParams({
    firmware: options.firmware === 'uefi' ? 'uefi-x64' : options.firmware,
    ...(options.machine === undefined ? {} : { machine: options.machine }),
  });
  const view = MenuView.parse(await adminClient(options).get(`${ROUTES.menu}?${query}`));
  if (options.json === true) return printJson(view);
  console.log(view.reason);
  if (view.items.length === 0) console.log(colours.dim('  no menu: its plan decides'));
  const rows = view.items.map(({ id, title }, at) => [
    `  ${at === 0 ? colours.green('▸') : ' '} ${title}`,
    colours.dim(at === 0 ? `${id}, when nobody presses a key` : id),
  ]);
  if (rows.length > 0) console.log(formatTable(rows));
  for (const { what, why } of view.leftOut) console.log(colours.dim(`    without ${what}: ${why}`));
}
