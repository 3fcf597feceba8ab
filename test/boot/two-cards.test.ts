// Machines and peers with two network cards, another HTTP port, and questions that a silent switch port swallowed: nobody is blamed wrongly.
import { describe, expect, it } from 'vitest';
import type { Ipv4, Mac } from '../../src/base/addresses.ts';
import { CLIENT, PEER, Story } from './boot-story.ts';

const FIRST = '52:54:00:77:00:01' as Mac;
const SECOND = '52:54:00:77:00:02' as Mac;
const OTHER_SIDE = '10.77.1.2' as Ipv4;

/** The first card has no cable to a DHCP server; the firmware goes on to the second one, which boots. */
const secondCardBoots = () =>
  new Story()
    .discovers('uefi', { xid: 1 })
    .after(4)
    .discovers('uefi', { xid: 1 })
    .after(8)
    .leases('ipxe', 'http://10.77.0.2:8067/boot/start.ipxe', { xid: 2, number: 2 })
    .http('/boot/start.ipxe', 200)
    .http('/boot/script.ipxe?mac=1', 200)
    .http('/boot/files/vmlinuz', 200)
    .after(5);

describe('a machine with two cards', () => {
  const verdicts = (story: Story) => story.end().map(({ mac, verdict }) => [mac, verdict]);

  it('booted by its second: the check-in is that one’s, whichever card the agent names first', () => {
    for (const macs of [
      [FIRST, SECOND],
      [SECOND, FIRST],
    ]) {
      const story = secondCardBoots().tell({ kind: 'check-in', address: CLIENT, macs });
      expect(verdicts(story)).toEqual([
        [FIRST, 'no-address'],
        [SECOND, 'booted'],
      ]);
    }
  });

  it('and the agent has an address that nobody saw being given', () => {
    const address = '10.77.0.99' as Ipv4;
    for (const told of [address, undefined]) {
      const story = secondCardBoots().tell({ kind: 'check-in', address: told, macs: [FIRST, SECOND] });
      expect(verdicts(story)).toEqual([
        [FIRST, 'no-address'],
        [SECOND, 'booted'],
      ]);
    }
  });

  it('whose files nobody saw: the card that was heard', () => {
    const story = new Story().leases('uefi', 'snponly.efi');
    expect(verdicts(story.tell({ kind: 'check-in', address: undefined, macs: [SECOND, FIRST] }))).toEqual([
      [FIRST, 'booted'],
    ]);
  });
});

describe('a peer with two cards', () => {
  const judge = (ours: readonly Ipv4[], httpPort?: number) => {
    const vantage = { ours: () => ours, judgesUnanswered: () => true, httpPort };
    return new Story(true, vantage)
      .discovers('uefi')
      .offersAddress()
      .offersBoot('snponly.efi')
      .offersBoot('snponly.efi', false, OTHER_SIDE)
      .requests()
      .acks()
      .asks4011()
      .after(60)
      .end()[0];
  };

  it('offers by both: these are not several boot servers', () => {
    const attempt = judge([PEER, OTHER_SIDE]);
    expect(attempt?.verdict).toBe('firewall');
    expect(attempt?.remedy).toMatch(/^What the machine asks of 10\.77\.0\.2 \(port 4011\) gets no answer/);
  });

  it('and somebody else’s offer is', () => {
    expect(judge([PEER])?.remedy).toMatch(/^Several boot servers offered/);
  });

  it('names the port that it was given', () => {
    expect(judge([PEER, OTHER_SIDE], 8080)?.remedy).toContain('TCP 8080');
    expect(judge([PEER, OTHER_SIDE])?.remedy).toContain('TCP 8067');
    const told = (httpPort?: number) =>
      new Story(true, { ours: () => [PEER], judgesUnanswered: () => true, httpPort })
        .leases('bios', 'undionly.kpxe', { direct: true })
        .after(60)
        .end()[0]?.remedy;
    expect(told(8080)).toContain('TCP 8080');
    expect(told()).toContain('TCP 8067');
  });
});

describe('questions before a switch port forwards', () => {
  const asked = (sent: number) => new Story().discovers('ipxe', { secs: sent << 2 });

  it('are told of by iPXE, and counted', () => {
    const attempt = asked(4).after(60).end()[0];
    expect(attempt?.verdict).toBe('no-address');
    expect(attempt?.evidence.join()).toContain('it had asked before, unheard (3 times)');
    expect(attempt?.remedy).toContain('edge port (portfast)');
  });

  it('a first question had none before it', () => {
    const attempt = asked(1).after(60).end()[0];
    expect(attempt?.evidence.join()).not.toContain('unheard');
    expect(attempt?.remedy).toMatch(/^No DHCP server offered an address/);
  });
});
