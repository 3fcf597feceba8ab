// `peerboot machines show <name>`: all that the peer knows of one machine, and how its last boot went.
import { MachineView } from '../api/machines.ts';
import { ROUTES } from '../api/routes.ts';
import { describeDialect } from '../boot/dialect-memory.ts';
import { adminClient, type PeerAddressOptions } from './admin-client.ts';
import { bootParagraph } from './doctor-replay.ts';
import { age, ladderLines } from './ladder.ts';
import { colours, printJson } from './terminal.ts';

export interface MachineShowOptions extends PeerAddressOptions {
  readonly json?: boolean;
}

/** By id, MAC, UUID or serial. Rejects with PB-HTTP-NOT-FOUND. */
export async function machinesShow(name: string, options: MachineShowOptions): Promise<void> {
  const answer = await adminClient(options).get(`${ROUTES.machines}/${encodeURIComponent(name)}`);
  const machine = MachineView.parse(answer);
  if (options.json === true) {
    printJson(machine);
    return;
  }
  const { boot, ...rest } = machine;
  const now = Date.now();
  console.log(ladderLines([rest], now).join('\n'));
  const facts: [string, string | undefined][] = [
    ['id', machine.id],
    ['uuid', machine.identity.uuid],
    ['serial', machine.identity.serial],
    ['MACs', machine.identity.macs.join(', ')],
    ['address', machine.address],
    ['dialect', machine.dialect === undefined ? undefined : describeDialect(machine.dialect)],
  ];
  for (const [key, value] of facts) {
    if (value !== undefined && value !== '') console.log(`  ${colours.dim(key.padEnd(8))} ${value}`);
  }
  if (boot === undefined)
    console.log(colours.dim('  It has not booted from the network since this peer runs.'));
  else
    console.log(
      `Last boot, ${age(now - boot.wallMs)} ago:\n${bootParagraph(machine.identity.macs[0], boot)}`,
    );
}
