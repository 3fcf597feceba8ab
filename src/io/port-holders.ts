// Names the programs that hold a UDP port, from Linux's /proc; elsewhere it knows nobody.
import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { formatIpv4, type Ipv4 } from '../base/addresses.ts';
import { fromHex } from '../base/bytes.ts';

export interface PortHolder {
  /** What it is bound to. */
  readonly address: Ipv4;
  /** Absent when the process belongs to another user or lives outside our view of /proc. */
  readonly pid?: number;
  readonly name?: string;
}

/** `dnsmasq (812)`; who it is may be hidden from us. */
export function showHolder(holder: PortHolder): string {
  return holder.pid === undefined ? 'a process of another user' : `${holder.name} (${holder.pid})`;
}

/** Every UDP socket bound to this port in our network namespace. */
export async function udpPortHolders(port: number): Promise<readonly PortHolder[]> {
  const table = await readFile('/proc/net/udp', 'utf8').catch(() => '');
  const bound = new Map<string, Ipv4>();
  for (const row of table.split('\n').slice(1)) {
    const columns = row.trim().split(/\s+/);
    const [addressHex, portHex] = (columns[1] ?? '').split(':');
    const inode = columns[9];
    if (inode === undefined || Number.parseInt(portHex ?? '', 16) !== port) continue;
    bound.set(inode, formatIpv4((fromHex(addressHex ?? '') ?? new Uint8Array(4)).toReversed()));
  }
  if (bound.size === 0) return [];
  const owners = await socketOwners(new Set(bound.keys()));
  return Array.from(bound, ([inode, address]) => ({ address, ...owners.get(inode) }));
}

async function socketOwners(
  inodes: ReadonlySet<string>,
): Promise<Map<string, { pid: number; name: string }>> {
  const owners = new Map<string, { pid: number; name: string }>();
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    const folder = join('/proc', pid, 'fd');
    // A process may end, or be another user's: both only mean that it cannot be named.
    for (const fd of await readdir(folder).catch(() => [])) {
      const target = await readlink(join(folder, fd)).catch(() => '');
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      if (inode === undefined || !inodes.has(inode)) continue;
      // Not `comm`, which a thread may rename: Node 24's says MainThread.
      const program = await readlink(join('/proc', pid, 'exe')).catch(() => 'a program');
      owners.set(inode, { pid: Number(pid), name: basename(program) });
    }
  }
  return owners;
}
