// Who answers on a network, as heard in one place: a boot host that gives the addresses, too, sends two offers.
import { expect, it } from 'vitest';
import type { Ipv4, Mac } from '../../src/base/addresses.ts';
import { fromText } from '../../src/base/bytes.ts';
import { WireError } from '../../src/base/errors.ts';
import { OPTIONS, optionEntry } from '../../src/dhcp/options.ts';
import { BOOT_REPLY, decodePacket, encodePacket } from '../../src/dhcp/packet.ts';
import type { OpenUdp } from '../../src/dhcp/ports.ts';
import { probeServers } from '../../src/service/dhcp-probe.ts';

const SERVER = '10.77.0.1' as Ipv4;
const SCRIPT = 'http://10.77.0.1:8067/boot/start.ipxe';

/** A network on which one server sends these offers to whatever is asked. */
function network(offers: readonly { readonly yiaddr: Ipv4; readonly file: string }[]): OpenUdp {
  const heard: ((bytes: Uint8Array) => void)[] = [];
  return async ({ onDatagram }) => {
    heard.push((bytes) => onDatagram(bytes, { address: SERVER, port: 67 }));
    return {
      sharedWith: [],
      async send(question) {
        const asked = decodePacket(question);
        if (asked instanceof WireError) throw asked;
        for (const { yiaddr, file } of offers) {
          const options = new Map([
            optionEntry(OPTIONS.messageType, 'OFFER'),
            optionEntry(OPTIONS.serverIdentifier, SERVER),
          ]);
          const offer = { ...asked, op: BOOT_REPLY, yiaddr, file: fromText(file), options };
          heard[0]?.(encodePacket(offer));
        }
      },
      close: async () => {},
    };
  };
}

const ask = (openUdp: OpenUdp) =>
  probeServers({
    ...{ openUdp, address: '10.77.0.9' as Ipv4, mac: '52:54:00:00:00:01' as Mac, as: 'ipxe', listenMs: 1 },
    random: { next: () => 0.5 },
    timers: {
      after(_, wake) {
        queueMicrotask(wake);
        return () => {};
      },
    },
  });

it('keeps the offer with the script beside the one with the address, in whatever order they come', async () => {
  const address = { yiaddr: '10.77.0.40' as Ipv4, file: '' };
  const boot = { yiaddr: '0.0.0.0' as Ipv4, file: SCRIPT };
  for (const offers of [
    [address, boot],
    [boot, address],
  ]) {
    const answers = await ask(network(offers));
    expect(answers.map(({ address: from }) => from)).toEqual([SERVER, SERVER]);
    expect(answers.find(({ givesAddress }) => !givesAddress)?.file).toBe(SCRIPT);
  }
});

it('counts a server that says the same again once', async () => {
  const boot = { yiaddr: '0.0.0.0' as Ipv4, file: SCRIPT };
  expect(await ask(network([boot, boot]))).toHaveLength(1);
});
