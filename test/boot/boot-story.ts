// Tells a boot attempt to the doctor's machine in few words: who asks, who answers, which files travel, and when.
import type { Ipv4, Mac } from '../../src/base/addresses.ts';
import { fromText } from '../../src/base/bytes.ts';
import type { Vantage } from '../../src/boot/attempt-bounds.ts';
import { BootAttempts } from '../../src/boot/attempts.ts';
import type { Observed, ToldPlan } from '../../src/boot/observed.ts';
import type { Attempt, Verdict } from '../../src/boot/verdict.ts';
import { type MessageType, OPTIONS, optionEntry } from '../../src/dhcp/options.ts';
import { BOOT_REPLY, type DhcpPacket } from '../../src/dhcp/packet.ts';
import { BIOS_CLASS, clientPacket, HTTP_CLASS, IPXE_CLASS, UEFI_CLASS } from '../support/dhcp-packets.ts';

export const CLIENT = '10.77.0.50' as Ipv4;
export const STORE = '10.77.0.1' as Ipv4;
export const PEER = '10.77.0.2' as Ipv4;
export const ANY = '0.0.0.0' as Ipv4;
const EVERYBODY = '255.255.255.255' as Ipv4;

export type Who = 'bios' | 'uefi' | 'http' | 'ipxe' | 'strange' | 'windows' | 'busybox' | 'nameless';

const CLASSES: Readonly<Record<Who, string>> = {
  bios: BIOS_CLASS,
  uefi: UEFI_CLASS,
  http: HTTP_CLASS,
  ipxe: UEFI_CLASS,
  strange: 'PXEClient:Arch:00099:UNDI:003000',
  windows: 'MSFT 5.0',
  busybox: 'udhcp 1.35.0',
  nameless: '',
};

interface Also {
  readonly xid?: number;
  readonly giaddr?: Ipv4;
  readonly number?: number;
  readonly secs?: number;
  /** In place of the MAC. */
  readonly chaddr?: Uint8Array;
}

export class Story {
  readonly attempts: BootAttempts;
  readonly ended: Attempt[] = [];
  nowMs = 0;
  #who: Who = 'uefi';
  #also: Also = {};
  #port = 2000;

  constructor(hearsCheckIn = true, vantage?: Vantage) {
    this.attempts = new BootAttempts({ hearsCheckIn, ...(vantage === undefined ? {} : { vantage }) });
  }

  tell(fact: Observed): this {
    this.ended.push(...this.attempts.step(fact, this.nowMs));
    return this;
  }

  /** Time passes. */
  after(seconds: number): this {
    this.nowMs += seconds * 1000;
    this.ended.push(...this.attempts.step({ kind: 'wake' }, this.nowMs));
    return this;
  }

  end(): Attempt[] {
    this.ended.push(...this.attempts.end(this.nowMs));
    return this.ended;
  }

  #packet(
    type: MessageType,
    more: readonly (readonly [number, Uint8Array])[],
    fields: Partial<DhcpPacket> = {},
  ) {
    const { xid, giaddr, number, secs, chaddr } = this.#also;
    return clientPacket({
      type,
      vendorClass: CLASSES[this.#who],
      ...(number === undefined ? {} : { number }),
      ...(this.#who === 'ipxe' ? { userClass: IPXE_CLASS } : {}),
      more,
      fields: {
        ...(xid === undefined ? {} : { xid }),
        ...(giaddr === undefined ? {} : { giaddr }),
        ...(secs === undefined ? {} : { secs }),
        ...(chaddr === undefined ? {} : { chaddr }),
        ...fields,
      },
    });
  }

  discovers(who: Who, also: Also = {}): this {
    this.#who = who;
    this.#also = also;
    return this.#asks(this.#packet('DISCOVER', []));
  }

  requests(server = STORE, address = CLIENT): this {
    const more = [
      optionEntry(OPTIONS.serverIdentifier, server),
      optionEntry(OPTIONS.requestedAddress, address),
    ];
    return this.#asks(this.#packet('REQUEST', more));
  }

  /** Asks the server that it knows for its own address again: no option names either (RFC 2131 §4.3.2). */
  renews(): this {
    return this.#asks(this.#packet('REQUEST', [], { ciaddr: CLIENT }));
  }

  informs(): this {
    return this.#asks(this.#packet('INFORM', [], { ciaddr: CLIENT }));
  }

  declines(): this {
    return this.#asks(this.#packet('DECLINE', []));
  }

  /** As `peerboot doctor --probe` asks in a machine's place. */
  isAskedAboutByDoctor(): this {
    const userClass = fromText('peerboot-doctor');
    return this.#asks(this.#packet('DISCOVER', [[OPTIONS.userClass.code, userClass]]));
  }

  #asks(packet: DhcpPacket, source = ANY, target = EVERYBODY, port: 67 | 4011 = 67): this {
    const from = { address: source, port: port === 4011 ? 4011 : 68 };
    return this.tell({ kind: 'dhcp', packet, source: from, target: { address: target, port } });
  }

  asks4011(server = PEER): this {
    return this.#asks(this.#packet('REQUEST', [], { xid: 0x4011, ciaddr: CLIENT }), CLIENT, server, 4011);
  }

  #answer(
    type: MessageType,
    server: Ipv4,
    port: number,
    more: (readonly [number, Uint8Array])[],
    fields: Partial<DhcpPacket>,
    saysWho = true,
  ): this {
    const asked = this.#packet(type, [optionEntry(OPTIONS.serverIdentifier, server), ...more], {
      op: BOOT_REPLY,
      ...fields,
    });
    const options = new Map(asked.options);
    if (!more.some(([code]) => code === OPTIONS.vendorClass.code)) options.delete(OPTIONS.vendorClass.code);
    options.delete(OPTIONS.userClass.code);
    if (!saysWho) options.delete(OPTIONS.serverIdentifier.code);
    const target = { address: EVERYBODY, port: 68 };
    return this.tell({
      kind: 'dhcp',
      packet: { ...asked, options },
      source: { address: server, port },
      target,
    });
  }

  /** A DHCP server's offer; with `claims` it says that it is the boot server. */
  offersAddress(server = STORE, claims?: 'PXEClient' | 'HTTPClient', file = ''): this {
    const more = claims === undefined ? [] : [optionEntry(OPTIONS.vendorClass, claims)];
    return this.#answer('OFFER', server, 67, more, { yiaddr: CLIENT, file: fromText(file) });
  }

  /** A proxy's offer; `direct` carries option 43 that lets it fetch the file at once. */
  offersBoot(file: string, direct = false, server = PEER): this {
    const more = [
      optionEntry(
        OPTIONS.vendorClass,
        file.startsWith('http') && this.#who === 'http' ? 'HTTPClient' : 'PXEClient',
      ),
    ];
    const control = [OPTIONS.vendorOptions.code, Uint8Array.of(6, 1, 8, 255)] as const;
    return this.#answer('OFFER', server, 67, direct ? [...more, control] : more, { file: fromText(file) });
  }

  /** A proxy's offer without option 60; `broken`: nor 54, suboptions that run past their end, and an option 67 of nothing. */
  namesBoot(file: string, broken = false): this {
    const odd = [
      [OPTIONS.vendorOptions.code, Uint8Array.of(6, 9, 8)],
      [OPTIONS.bootFile.code, new Uint8Array(0)],
    ] as const;
    return this.#answer('OFFER', PEER, 67, broken ? [...odd] : [], { file: fromText(file) }, !broken);
  }

  acks(server = STORE, address = CLIENT): this {
    return this.#answer('ACK', server, 67, [], { yiaddr: address });
  }

  naks(server = STORE): this {
    return this.#answer('NAK', server, 67, [], {});
  }

  answers4011(file: string, server = PEER): this {
    const more = [optionEntry(OPTIONS.vendorClass, 'PXEClient')];
    return this.#answer('ACK', server, 4011, more, { xid: 0x4011, file: fromText(file) });
  }

  refuses4011(server = PEER): this {
    return this.#answer('NAK', server, 4011, [], { xid: 0x4011 });
  }

  /** An address by way of DISCOVER, OFFER, REQUEST, ACK, with the peer's offer beside it. */
  leases(who: Who, file: string, also: Also & { direct?: boolean } = {}): this {
    return this.discovers(who, also).offersAddress().offersBoot(file, also.direct).requests().acks();
  }

  tftp(file: string, outcome?: (Observed & { kind: 'tftp-end' })['outcome'], server = PEER): this {
    this.#port += 1;
    const client = { address: CLIENT, port: this.#port };
    this.tell({ kind: 'tftp-request', client, server, file });
    if (outcome === undefined) return this;
    if (outcome !== 'denied') this.tell({ kind: 'tftp-answer', client, server, sizeBytes: 100_000 });
    return this.tell({ kind: 'tftp-end', client, server, outcome });
  }

  /** More of the last file asked for by TFTP was acknowledged. */
  progresses(sentBytes: number): this {
    const client = { address: CLIENT, port: this.#port };
    return this.tell({ kind: 'tftp-progress', client, server: PEER, sentBytes });
  }

  tftpEnds(outcome: (Observed & { kind: 'tftp-end' })['outcome']): this {
    const client = { address: CLIENT, port: this.#port };
    return this.tell({ kind: 'tftp-end', client, server: PEER, outcome });
  }

  http(path: string, status?: number, whole = true, method = 'GET'): this {
    this.#port += 1;
    const client = { address: CLIENT, port: this.#port };
    this.tell({ kind: 'http-request', client, server: PEER, method, path });
    return status === undefined
      ? this
      : this.tell({ kind: 'http-answer', client, server: PEER, status, whole });
  }

  told(plan: ToldPlan): this {
    return this.tell({ kind: 'told', address: CLIENT, plan });
  }

  checksIn(): this {
    return this.tell({ kind: 'check-in', address: CLIENT, macs: ['52:54:00:77:00:01' as Mac] });
  }
}

export const SCRIPT = '/boot/script.ipxe?mac=1';

/** The NBP runs as iPXE, which gets its script. */
export const throughScript = (story: Story) =>
  story
    .leases('uefi', 'snponly.efi')
    .asks4011()
    .answers4011('snponly.efi')
    .tftp('snponly.efi', 'probed')
    .tftp('snponly.efi', 'completed')
    .after(3)
    .leases('ipxe', 'http://10.77.0.2:8067/boot/start.ipxe', { xid: 7 })
    .http('/boot/start.ipxe', 200)
    .http(SCRIPT, 200);

/** Kernel and initramfs, which is answered with `status`. */
export const loadsAgent = (story: Story, status = 200): Story =>
  story.http('/boot/files/vmlinuz', 200).http('/boot/files/initramfs.img', status);

/** A story and what the doctor must say of it. */
export interface StoryCase {
  readonly why: string;
  readonly story: (story: Story) => unknown;
  readonly verdicts: readonly Verdict[];
  /** A word of the last remedy, or of its evidence. */
  readonly says?: string;
  readonly fromCapture?: true;
}
