// A DHCP packet for people: one line of header, one line per option. Used by goldens and diagnoses.
import { ANY_ADDRESS } from '../base/addresses.ts';
import { toHex, toText } from '../base/bytes.ts';
import { WireError } from '../base/errors.ts';
import { OPTIONS, readOption, showOption } from './options.ts';
import { BOOT_REPLY, BOOT_REQUEST, BROADCAST_FLAG, type DhcpPacket } from './packet.ts';
import { decodeSuboptions, parseIpxe, parseMachineUuid, parseUserClass, type SuboptionMap } from './pxe.ts';

/** Every field that is set and every option, options in ascending order, one per line. */
export function describePacket(packet: DhcpPacket): readonly string[] {
  const type = readOption(packet.options, OPTIONS.messageType);
  const op = { [BOOT_REQUEST]: 'request', [BOOT_REPLY]: 'reply' }[packet.op] ?? `op ${packet.op}`;
  const fields: [string, string | number][] = [
    ['htype', packet.htype === 1 ? '' : packet.htype],
    ['hops', packet.hops || ''],
    ['secs', packet.secs || ''],
    ['flags', (packet.flags & BROADCAST_FLAG) === 0 ? packet.flags || '' : 'broadcast'],
    ...(['ciaddr', 'yiaddr', 'siaddr', 'giaddr'] as const).map((name): [string, string] => [
      name,
      packet[name] === ANY_ADDRESS ? '' : packet[name],
    ]),
    ['sname', packet.sname.length === 0 ? '' : JSON.stringify(toText(packet.sname))],
    ['file', packet.file.length === 0 ? '' : JSON.stringify(toText(packet.file))],
  ];
  const set = fields.filter(([, value]) => value !== '').map(([name, value]) => ` ${name} ${value}`);
  return [
    `${type ?? `BOOTP ${op}`} xid ${packet.xid.toString(16).padStart(8, '0')} chaddr ${toHex(packet.chaddr, ':')}${set.join('')}`,
    ...[...packet.options].sort(([a], [b]) => a - b).map(([code, value]) => describeOption(code, value)),
  ];
}

/** Like `showOption`, and opens up those options that carry more inside. */
function describeOption(code: number, value: Uint8Array): string {
  const line = showOption(code, value);
  switch (code) {
    case OPTIONS.userClass.code:
      return `${line} = ${parseUserClass(value).join(', ')}`;
    case OPTIONS.clientMachine.code:
      return `${line} = ${parseMachineUuid(value) ?? 'no usable uuid'}`;
    case OPTIONS.vendorOptions.code: {
      const inside = decodeSuboptions(value);
      return inside instanceof WireError ? line : `${line} = ${describeSuboptions(inside)}`;
    }
    case OPTIONS.ipxe.code: {
      const ipxe = parseIpxe(value);
      if (ipxe instanceof WireError) return line;
      return `${line} = version ${ipxe.version ?? 'not told'}, ${ipxe.features.join(' ') || 'no features'}`;
    }
    default:
      return line;
  }
}

function describeSuboptions(inside: SuboptionMap): string {
  return [...inside].map(([code, value]) => `${code}: ${toHex(value, ' ')}`).join(', ');
}
