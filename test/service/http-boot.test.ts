// What a booting machine gets: start script, its own script, boot files, and the agent's plan.
import { describe, expect, it } from 'vitest';
import { checkIn, MAC, namedFiles, report, testPeer, UUID } from './peer.ts';

const HOST = { host: '10.77.0.2:8067' };
const query = `mac=52-54-00-12-34-56&uuid=${UUID}&serial=SN-1&manufacturer=Acme&product=Till&asset=&buildarch=i386&platform=pcbios`;

describe('scripts', () => {
  it('the start script asks for the script of the machine, at the address it was asked by', async () => {
    const { http } = testPeer();
    const answer = await http.app.inject({ url: '/boot/start.ipxe', headers: HOST });
    expect(answer.statusCode).toBe(200);
    expect(answer.body).toMatch(/^#!ipxe\n/);
    expect(answer.body).toContain(
      'chain --timeout 15000 --replace --autofree http://10.77.0.2:8067/boot/script.ipxe?mac=',
    );
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  it('a machine without assignment boots from its own disk', async () => {
    const { http, machines } = testPeer();
    const answer = await http.app.inject({ url: `/boot/script.ipxe?${query}`, headers: HOST });
    expect(answer.body).toContain(`peerboot assign ${MAC} IMAGE`);
    expect(answer.body).toContain('sanboot --no-describe --drive 0x80');
    expect(answer.body).not.toContain('vmlinuz');
    expect(machines.list()).toMatchObject([{ rung: 'script', identity: { uuid: UUID, macs: [MAC] } }]);
  });

  it('kernel and agent are those of its processor', async () => {
    const files = namedFiles({
      'vmlinuz-arm64': Buffer.from('kernel'),
      'initramfs-arm64.img': Buffer.from('agent'),
    });
    const { http, assignments } = testPeer({ files });
    assignments.put({
      machine: MAC,
      target: { kind: 'image', image: 'debian', disk: { allowNonBlank: false } },
    });
    const scriptOf = async (buildarch: string) => {
      const url = `/boot/script.ipxe?${query.replace('i386', buildarch)}`;
      return (await http.app.inject({ url, headers: HOST })).body;
    };
    const arm64 = await scriptOf('arm64');
    expect(arm64).toContain('/boot/files/vmlinuz-arm64 initrd=initramfs-arm64.img ');
    expect(arm64).toContain('console=ttyAMA0,115200');
    expect(arm64).toContain('/boot/files/initramfs-arm64.img ');
    expect(await scriptOf('x86_64')).toContain('PB-ASSETS-MISSING: this peer has no agent for x64');
  });

  it('an iPXE of UEFI is told of the signed agent, too, where there is one: Secure Boot refuses the kernel', async () => {
    const signed = { 'peerboot-x64.signed.efi': Buffer.from('agent in one') };
    const files = namedFiles({
      vmlinuz: Buffer.from('kernel'),
      'initramfs.img': Buffer.from('agent'),
      ...signed,
    });
    const { http, assignments } = testPeer({ files });
    assignments.put({
      machine: MAC,
      target: { kind: 'image', image: 'debian', disk: { allowNonBlank: false } },
    });
    const scriptOf = async (platform: string) => {
      const url = `/boot/script.ipxe?${query.replace('pcbios', platform)}`;
      return (await http.app.inject({ url, headers: HOST })).body;
    };
    expect(await scriptOf('efi')).toContain('/boot/files/peerboot-x64.signed.efi || goto failed');
    expect(await scriptOf('pcbios')).not.toContain('signed.efi');
  });

  it('an assigned machine gets kernel and agent', async () => {
    const { http, assignments } = testPeer();
    assignments.put({
      machine: MAC,
      target: { kind: 'image', image: 'debian', disk: { allowNonBlank: false } },
    });
    const { body } = await http.app.inject({ url: `/boot/script.ipxe?${query}`, headers: HOST });
    expect(body).toContain(
      'kernel --timeout 15000 http://10.77.0.2:8067/boot/files/vmlinuz initrd=initramfs.img peerboot.peer=http://10.77.0.2:8067 ',
    );
  });
});

it('a machine is imaged: check-in, plan, reports, done', async () => {
  const { http, assignments, machines } = testPeer();
  assignments.put({
    machine: '*',
    target: { kind: 'image', image: 'debian', disk: { allowNonBlank: false } },
  });
  const answer = await http.app.inject({ method: 'POST', url: '/agent/v1/check-in', payload: checkIn() });
  expect(answer.json()).toMatchObject({
    site: 'store-1',
    plan: { kind: 'image', image: { name: 'debian', version: '12.1' } },
  });
  const { machine } = answer.json();
  for (const rung of ['imaging', 'verifying', 'done'] as const) {
    const told = await http.app.inject({
      method: 'POST',
      url: '/agent/v1/progress',
      payload: report(machine, rung),
    });
    expect(told.json()).toEqual({ next: 'go-on' });
    expect(machines.find(MAC)?.rung).toBe(rung);
  }
  const again = await http.app.inject({ url: `/boot/script.ipxe?${query}`, headers: HOST });
  expect(again.body).toContain('it already has debian');
  expect(again.body).not.toContain('vmlinuz');
});
