// Judges a capture: the same attempts and verdicts as a running peer comes to, from frames instead of services.
import { WireError } from '../base/errors.ts';
import type { CaptureFile } from '../capture/file.ts';
import { type CapturedPacket, PacketReader } from '../capture/packets.ts';
import { DHCP_CLIENT_PORT, DHCP_SERVER_PORT, PXE_PORT } from '../dhcp/destination.ts';
import { decodePacket } from '../dhcp/packet.ts';
import { BootAttempts } from './attempts.ts';
import { CaptureHttp } from './capture-http.ts';
import { CaptureTftp } from './capture-tftp.ts';
import type { Observed } from './observed.ts';
import type { Attempt } from './verdict.ts';

const DHCP_PORTS: readonly number[] = [DHCP_SERVER_PORT, DHCP_CLIENT_PORT, PXE_PORT];

/** All attempts in the order in which they began; times are milliseconds since the first frame. */
export function replay({ frames }: CaptureFile): Attempt[] {
  const packets = new PacketReader();
  const tftp = new CaptureTftp();
  const http = new CaptureHttp();
  const attempts = new BootAttempts({ hearsCheckIn: false });
  const found: Attempt[] = [];
  // Captures of several interfaces may be out of order by a little.
  const inOrder = [...frames].sort((a, b) => a.atMs - b.atMs);
  const startMs = inOrder[0]?.atMs ?? 0;
  for (const frame of inOrder) {
    const packet = packets.read(frame);
    if (packet === undefined) continue;
    for (const fact of factsOf(packet, tftp, http)) found.push(...attempts.step(fact, frame.atMs - startMs));
  }
  found.push(...attempts.end((inOrder.at(-1)?.atMs ?? 0) - startMs));
  return found.sort((a, b) => a.startedMs - b.startedMs);
}

function factsOf(packet: CapturedPacket, tftp: CaptureTftp, http: CaptureHttp): readonly Observed[] {
  if (packet.kind === 'tcp') return http.read(packet);
  const { source, target, payload } = packet;
  if (!DHCP_PORTS.includes(target.port) && !DHCP_PORTS.includes(source.port)) return tftp.read(packet);
  const decoded = decodePacket(payload);
  return decoded instanceof WireError ? [] : [{ kind: 'dhcp', packet: decoded, source, target }];
}
