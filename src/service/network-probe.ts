// Plays booting machines on the live network for `doctor --probe`: asks, listens, looks at the files, and leaves nothing behind.
import { ANY_ADDRESS, type Ipv4, LIMITED_BROADCAST, type Mac } from '../base/addresses.ts';
import { WireError } from '../base/errors.ts';
import { type Random, randomInt } from '../base/random.ts';
import type { Timers } from '../base/time.ts';
import {
  answerOf,
  asks4011,
  bootOf,
  chosen,
  fileOf,
  PROBED_FIRMWARE,
  type Probe,
  type ProbeAnswer,
  type ProbeResult,
  probe4011,
  probeDiscover,
} from '../boot/probe.ts';
import { DHCP_CLIENT_PORT, DHCP_SERVER_PORT, PXE_PORT } from '../dhcp/destination.ts';
import { BOOT_REPLY, decodePacket, encodePacket } from '../dhcp/packet.ts';
import type { OpenUdp, UdpSocket } from '../dhcp/ports.ts';
import { decodeTftp, encodeTftp, TFTP_ERROR } from '../tftp/packet.ts';
import { TFTP_PORT } from './tftp-service.ts';

export interface NetworkProbeOptions {
  readonly openUdp: OpenUdp;
  /** The size that HEAD tells; rejects with why there is none. */
  readonly head: (url: string) => Promise<number>;
  /** The interface asked on: our address there, and its MAC, for which the site's server keeps an address already. */
  readonly address: Ipv4;
  readonly mac: Mac;
  readonly timers: Timers;
  readonly random: Random;
  /** How long to listen for offers; a server that pings first takes three seconds. */
  readonly listenMs: number;
  /** How long to wait for port 4011 and for a file. */
  readonly answerMs: number;
}

/**
 * What each firmware is answered. Asks with our own MAC, so that no further address is set aside; never sends a REQUEST for a lease,
 * and takes of each file only its size. Shares port 68. Rejects with PB-PORT-DENIED where that port needs more rights.
 */
export async function probeNetwork(options: NetworkProbeOptions): Promise<readonly ProbeResult[]> {
  const { address, mac, random, timers } = options;
  const first = randomInt(random, 2 ** 31);
  const probes = PROBED_FIRMWARE.map((firmware, i) => ({ firmware, mac, xid: first + i }));
  const offers = new Map<number, Map<Ipv4, ProbeAnswer>>(probes.map(({ xid }) => [xid, new Map()]));
  const from4011 = new Map<string, Pick<ProbeAnswer, 'file' | 'nextServer'>>();
  const sockets: UdpSocket[] = [];
  let heard4011 = () => {};
  const pause = (ms: number) => new Promise<void>((resolve) => timers.after(ms, resolve));

  const listen = async (at: Ipv4) => {
    const socket = await options.openUdp({
      local: { address: at, port: DHCP_CLIENT_PORT },
      onError: () => {},
      onDatagram(bytes, source) {
        const packet = decodePacket(bytes);
        if (packet instanceof WireError || packet.op !== BOOT_REPLY) return;
        if (source.port === PXE_PORT) {
          from4011.set(`${packet.xid} ${source.address}`, bootOf(packet));
          heard4011();
        } else {
          const answer = answerOf(packet, source.address);
          offers.get(packet.xid)?.set(answer.server, answer);
        }
      },
    });
    sockets.push(socket);
    return socket;
  };

  try {
    // Broadcasts are heard on 0.0.0.0, and leave by the interface whose address the socket has.
    await listen(ANY_ADDRESS);
    const sender = await listen(address);
    for (let round = 0; round < 2; round++) {
      for (const probe of probes) {
        const to = { address: LIMITED_BROADCAST, port: DHCP_SERVER_PORT };
        await sender.send(encodePacket(probeDiscover(probe)), to);
      }
      await pause(options.listenMs / 2);
    }
    const asked = probes.flatMap((probe) =>
      [...(offers.get(probe.xid)?.values() ?? [])].flatMap((answer) =>
        asks4011(probe.firmware, answer) ? [{ probe, server: answer.server }] : [],
      ),
    );
    await ask4011(sender, asked);
  } finally {
    await Promise.all(sockets.map((socket) => socket.close()));
  }
  return Promise.all(probes.map(resultOf));

  async function ask4011(sender: UdpSocket, asked: readonly { probe: Probe; server: Ipv4 }[]): Promise<void> {
    const missing = () => asked.filter(({ probe, server }) => !from4011.has(`${probe.xid} ${server}`));
    for (let tries = 0; tries < 3 && missing().length > 0; tries++) {
      for (const { probe, server } of missing()) {
        await sender.send(encodePacket(probe4011(probe, address)), { address: server, port: PXE_PORT });
      }
      await new Promise<void>((resolve) => {
        const cancel = timers.after(options.answerMs / 3, resolve);
        heard4011 = () => {
          if (missing().length > 0) return;
          cancel();
          resolve();
        };
      });
    }
  }

  async function resultOf(probe: (typeof probes)[number]): Promise<ProbeResult> {
    const { firmware, xid } = probe;
    const answers = await Promise.all(
      [...(offers.get(xid)?.values() ?? [])].map(async (offer) => {
        const port4011 = asks4011(firmware, offer)
          ? (from4011.get(`${xid} ${offer.server}`) ?? ('silent' as const))
          : undefined;
        const answer: ProbeAnswer = port4011 === undefined ? offer : { ...offer, port4011 };
        const reach = await reachOf(answer);
        return reach === undefined ? answer : { ...answer, reach };
      }),
    );
    return { firmware: firmware.firmware, answers, boots: chosen(answers, firmware)?.server };
  }

  async function reachOf(answer: ProbeAnswer): Promise<ProbeAnswer['reach']> {
    const boot = fileOf(answer);
    if (boot?.file === undefined || answer.port4011 === 'silent') return undefined;
    try {
      const url = /^https?:\/\//i.test(boot.file);
      const sizeBytes = await (url
        ? options.head(boot.file)
        : tftpSize(options, boot.nextServer ?? answer.server, boot.file));
      return { sizeBytes };
    } catch (error) {
      return { failed: (error as Error).message };
    }
  }
}

/** As firmware probes: RRQ with tsize, and ERROR 8 to the OACK. Rejects with what the server said, or that it said nothing. */
async function tftpSize(
  { openUdp, address, timers, answerMs }: NetworkProbeOptions,
  server: Ipv4,
  file: string,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const socket = await openUdp({
    local: { address, port: 0 },
    onError: reject,
    onDatagram(bytes, source) {
      const packet = decodeTftp(bytes);
      if (source.address !== server || packet instanceof WireError) return;
      if (packet.kind === 'error') reject(new Error(`the server refuses it: ${packet.message}`));
      else if (packet.kind === 'oack' || packet.kind === 'data') {
        const stop = { kind: 'error', code: TFTP_ERROR.optionRefused, message: 'size only' } as const;
        const size =
          packet.kind === 'oack' ? packet.options.find(([name]) => name === 'tsize')?.[1] : undefined;
        const done = () => {
          if (size === undefined) reject(new Error('the server does not tell its size'));
          else resolve(Number(size));
        };
        // The file is not wanted, so it does not matter whether the server hears that.
        socket.send(encodeTftp(stop), source).then(done, done);
      }
    },
  });
  const options = [
    ['tsize', '0'],
    ['blksize', '1468'],
  ] as const;
  const ask = () =>
    socket
      .send(encodeTftp({ kind: 'read', file, mode: 'octet', options }), { address: server, port: TFTP_PORT })
      .catch(reject);
  const cancels = [
    timers.after(answerMs / 2, ask),
    timers.after(answerMs, () => reject(new Error(`no answer by TFTP from ${server}`))),
  ];
  try {
    await ask();
    return await promise;
  } finally {
    for (const cancel of cancels) cancel();
    await socket.close();
  }
}
