// Brings the network up in the namespace that it runs in, prints notes and the lease, and keeps the lease.
import { join } from 'node:path';
import { silentLog } from '../../src/base/log.ts';
import { bringNetworkUp } from '../../src/io/network-up.ts';
import { readNics } from '../../src/io/nics.ts';

const [folder = '/nowhere'] = process.argv.slice(2);
const lease = await bringNetworkUp({
  log: silentLog,
  note: (why) => console.log(`note ${why}`),
  // The cards of a namespace have no device behind them.
  cards: () => readNics('/sys/class/net', { virtual: true }),
  scriptPath: join(folder, 'udhcpc-script'),
  resolvConf: join(folder, 'resolv.conf'),
});
console.log(`lease ${JSON.stringify(lease)}`);
