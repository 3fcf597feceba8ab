// The scripts as golden files, and that nothing a machine tells about itself can become a command.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Plan } from '../../src/api/agent.ts';
import { planOfScript } from '../../src/boot/capture-http.ts';
import { renderScript, renderStartScript, type ScriptContext } from '../../src/boot/script.ts';
import { safeText } from '../../src/boot/script-parts.ts';
import { MAC } from '../service/peer.ts';

const context: ScriptContext = {
  base: 'http://10.77.0.2:8067',
  others: [],
  site: 'store-1',
  machine: {
    id: 'm-abcdefgh',
    mac: MAC,
    serial: 'SN-1',
    manufacturer: 'Acme Inc.',
    product: 'Till 3000',
  },
  reason: 'no image is assigned to it',
};
const PLANS: Readonly<Record<Plan['kind'], Plan>> = {
  image: {
    kind: 'image',
    image: { name: 'debian', version: '12.1' },
    disk: { allowNonBlank: false },
    finish: 'reboot',
  },
  'local-boot': { kind: 'local-boot' },
  wait: { kind: 'wait', retryAfterMs: 15_000, reason: 'no such image yet' },
};

/** With UPDATE_GOLDENS set, the files are written instead of compared. */
function expectGolden(name: string, script: string): void {
  const path = fileURLToPath(new URL(`../fixtures/scripts/${name}.ipxe`, import.meta.url));
  if (process.env.UPDATE_GOLDENS !== undefined) writeFileSync(path, script);
  expect(existsSync(path), path).toBe(true);
  expect(script).toBe(readFileSync(path, 'utf8'));
}

describe('golden files', () => {
  it('start', () => expectGolden('start', renderStartScript(context.base)));
  it.each(Object.entries(PLANS))('%s', (kind, plan) => {
    const reason =
      kind === 'wait'
        ? 'debian@13 is assigned to it, but this peer has no such image yet'
        : kind === 'image'
          ? 'debian 12.1 is assigned to it'
          : context.reason;
    expectGolden(kind, renderScript(plan, { ...context, reason }));
  });
});

describe('with other boot hosts', () => {
  const others = ['http://10.77.0.3:8067', 'http://10.77.0.4:8067'];
  const asked = (script: string) =>
    [...script.matchAll(/^chain .*(10\.77\.0\.\d):8067/gm)].map(([, address]) => address);

  it('asks them when the first does not answer', () => {
    for (const script of [
      renderStartScript(context.base, others),
      renderScript(PLANS['local-boot'], { ...context, others }),
      renderScript(PLANS.wait, { ...context, others }),
    ])
      expect(asked(script)).toEqual(['10.77.0.2', '10.77.0.3', '10.77.0.4']);
  });

  it('asks them first, and at once, when kernel or agent did not come', () => {
    const script = renderScript(PLANS.image, { ...context, others });
    expect(asked(script)).toEqual(['10.77.0.3', '10.77.0.4', '10.77.0.2']);
    expect(script.split(':ask')[0]).not.toContain('sleep');
  });

  it('names no more than three of them', () => {
    const many = Array.from({ length: 9 }, (_, n) => `http://10.77.0.${n + 1}:8067`);
    expect(asked(renderStartScript('http://10.77.0.9:8067', many)).length).toBe(4);
  });
});

/** Commands that scripts use; all of them are in Debian's iPXE 1.0.0 of 2019. */
const COMMANDS = new Set([
  '#!ipxe',
  ...[
    'boot',
    'chain',
    'echo',
    'exit',
    'goto',
    'imgfree',
    'inc',
    'initrd',
    'iseq',
    'kernel',
    'prompt',
    'sanboot',
  ],
  ...['set', 'sleep'],
]);

/** Every command of every line, as iPXE splits them: at `&&` and `||`, comments cut off. */
function commandsOf(script: string): string[] {
  return script
    .split('\n')
    .flatMap((line) =>
      line.startsWith('#!') ? [line] : line.replace(/(^|\s)#.*$/, '').split(/\s(?:&&|\|\|)(?:\s|$)/),
    )
    .map((command) => command.trim().split(/\s+/)[0] as string)
    .filter((word) => word !== '' && !word.startsWith(':'));
}

/** A script with everything taken out that stands in for text from outside. */
function skeleton(script: string): string[] {
  return script.split('\n').map((line) => line.replace(/^echo .*$/, 'echo'));
}

const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 80 }),
  fc
    .array(
      fc.constantFrom(
        '\n',
        '\r',
        '\0',
        '\t',
        ' ',
        '$',
        '{',
        '}',
        `\${net0/mac}`,
        '||',
        '&&',
        '#',
        '-',
        '--',
        '%',
        '`',
        "'",
        '"',
        ';',
        'boot',
        'exit',
        'shell',
        'chain http://evil/',
        'goto local',
        ':local',
        '\u2028',
        '\u0085',
        '/',
        '\\',
        'x',
      ),
      { maxLength: 12 },
    )
    .map((parts) => parts.join('')),
);

describe('text from outside', () => {
  it('becomes harmless words, 10,000 strings', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const safe = safeText(text);
        expect(safe).toMatch(/^[A-Za-z0-9 ._:/@()+,=?-]*$/);
        expect(safe).not.toMatch(/(^| )-/);
        expect(safe.length).toBeLessThanOrEqual(64);
      }),
      { numRuns: 10_000 },
    );
  });

  it('changes nothing in a script but words on the screen', () => {
    const text = fc.option(hostile, { nil: undefined });
    const anything = fc.record({
      machine: fc.record({ id: hostile, mac: text, serial: text, manufacturer: text, product: text }),
      site: hostile,
      reason: hostile,
      kind: fc.constantFrom(...(Object.keys(PLANS) as Plan['kind'][])),
    });
    fc.assert(
      fc.property(anything, ({ kind, machine, site, reason }) => {
        const script = renderScript(PLANS[kind], { base: context.base, others: [], machine, site, reason });
        const plain = renderScript(PLANS[kind], { ...context, reason: '' });
        expect(commandsOf(script).filter((command) => !COMMANDS.has(command))).toEqual([]);
        // The prompt line names no machine, so that beyond `echo` every line is the same as in the plain script.
        expect(skeleton(script).filter((line) => line !== 'echo')).toEqual(
          skeleton(plain).filter((line) => line !== 'echo'),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  it('does not choose the peer: its base is an address and a port', () => {
    for (const base of [
      'http://evil.example:80',
      'http://1.2.3.4',
      'http://1.2.3.4:80/x',
      'http://1.2.3.4:80\nboot',
    ]) {
      expect(() => renderStartScript(base), base).toThrow('assertion');
    }
  });
});

it('a machine that takes the agent as one program gets just that, and asks again when it cannot be had', () => {
  const script = renderScript(PLANS.image, { ...context, uki: 'peerboot-x64.efi' });
  expect(script).toContain('/peerboot-x64.efi || goto failed');
  expect(script).not.toMatch(/vmlinuz|initramfs/);
});

it('a kernel that the firmware refuses is followed by the signed agent, where there is one', () => {
  const script = renderScript(PLANS.image, { ...context, signedUki: 'peerboot-x64.signed.efi' });
  const rows = script.split('\n');
  const at = (start: string) => rows.findIndex((row) => row.startsWith(start));
  expect(rows[at('kernel')]).toMatch(/vmlinuz .*\|\| goto signed$/);
  expect(rows[at('initrd')]).toMatch(/\|\| goto failed$/);
  expect(rows[at('initrd') + 1]).toBe('boot ||');
  expect(rows.slice(at(':signed'), at(':failed'))).toEqual([
    ':signed',
    'imgfree',
    expect.stringContaining('trying the signed agent'),
    expect.stringMatching(/^kernel .*\/peerboot-x64\.signed\.efi \|\| goto failed$/),
    'boot || goto failed',
  ]);
  expect(renderScript(PLANS.image, context)).not.toContain('signed.efi');
});

it('one that waits to be approved boots the agent, which shows its code', () => {
  const agent = renderScript(PLANS.wait, { ...context, boots: 'agent' });
  expect(agent).toContain('vmlinuz');
  expect(renderScript(PLANS.wait, context)).not.toContain('vmlinuz');
});

it('one on which the shell was chosen boots it by a word behind the kernel, which no signed program takes', () => {
  const shell = renderScript(PLANS.wait, { ...context, boots: 'shell' });
  expect(shell).toMatch(/^kernel .*\/vmlinuz .* peerboot\.shell \|\| goto failed$/m);
  expect(planOfScript(shell)).toBe('shell');
  for (const boots of ['agent', undefined] as const)
    expect(renderScript(PLANS.image, { ...context, boots })).not.toContain('shell');
  const signed = 'peerboot-x64.signed.efi';
  expect(renderScript(PLANS.wait, { ...context, boots: 'shell', uki: signed })).not.toContain(
    'peerboot.shell',
  );
  expect(renderScript(PLANS.wait, { ...context, boots: 'shell', signedUki: signed })).toBe(shell);
});

it('a long reason is folded between words, none of them lost', () => {
  const words = Array.from({ length: 60 }, (_, i) => `word-${i}`);
  const script = renderScript(PLANS['local-boot'], { ...context, reason: words.join(' ') });
  const rows = script.split('\n').filter((line) => line.startsWith('echo word-'));
  expect(rows.length).toBeGreaterThan(5);
  expect(rows.map((row) => row.slice('echo '.length)).join(' ')).toBe(words.join(' '));
  for (const row of rows) expect(row.length).toBeLessThanOrEqual('echo '.length + 76);
});

it('every jump has its label, and each label stands once', () => {
  for (const script of [
    renderStartScript(context.base),
    ...Object.values(PLANS).map((plan) => renderScript(plan, context)),
  ]) {
    const labels = [...script.matchAll(/^:(\w+)$/gm)].map((match) => match[1]);
    expect(new Set(labels).size).toBe(labels.length);
    for (const [, label] of script.matchAll(/\bgoto (\w+)/g)) expect(labels).toContain(label);
  }
});
