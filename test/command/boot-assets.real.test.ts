// `peerboot boot-assets sign`: the signed agent beside the unsigned one, and every reason why nothing is signed.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { signedUki } from '../../src/boot/chain.ts';
import { type SignOptions, signBootAssets, verifyBootAssets } from '../../src/command/boot-assets.ts';
import { run } from '../lab/process.ts';

/** Any UEFI program will do: a signature says nothing of what it signs. */
const PROGRAM = '/usr/lib/ipxe/snponly.efi';
const SIGNED = signedUki('x64');
const scratch = mkdtempSync(join(tmpdir(), 'pb-sign-'));
const [ours, theirs, ecdsa, old] = ['ours', 'theirs', 'ecdsa', 'old'].map((name) => join(scratch, name)) as [
  string,
  string,
  string,
  string,
];
const out = join(scratch, 'out');
let assets: string;

beforeAll(async () => {
  const openssl = (...words: string[]) => run('openssl', words);
  const self = (path: string, ...key: string[]) =>
    openssl(
      ...['req', '-new', '-x509', '-nodes', '-subj', '/CN=Peerboot test', ...key],
      ...['-keyout', `${path}.key`, '-out', `${path}.pem`],
    );
  await Promise.all([
    self(ours, '-newkey', 'rsa:2048'),
    self(theirs, '-newkey', 'rsa:2048'),
    self(ecdsa, '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'),
  ]);
  await openssl('req', '-new', '-key', `${ours}.key`, '-subj', '/CN=Peerboot test', '-out', `${old}.csr`);
  await openssl(
    ...['x509', '-req', '-in', `${old}.csr`, '-signkey', `${ours}.key`, '-days', '-1', '-out', `${old}.pem`],
  );
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

beforeEach(() => {
  rmSync(out, { recursive: true, force: true });
  assets = mkdtempSync(join(scratch, 'assets-'));
  cpSync(PROGRAM, join(assets, 'peerboot-x64.efi'));
  describeFiles('peerboot-x64.efi');
});

function describeFiles(...names: string[]): void {
  const files = names.map((name) => {
    const bytes = existsSync(join(assets, name)) ? readFileSync(join(assets, name)) : Buffer.alloc(0);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { name, origin: 'Peerboot', version: '1', sizeBytes: bytes.length, sha256 };
  });
  writeFileSync(join(assets, 'provenance.json'), JSON.stringify({ files }));
}

const sign = (options: Partial<SignOptions> = {}) =>
  signBootAssets({ assets, key: `${ours}.key`, cert: `${ours}.pem`, json: true, ...options });

describe('signing', () => {
  it('puts the signed agent, which the certificate proves, beside the unsigned one, and is told by verify', async () => {
    await sign();
    const signed = join(assets, SIGNED);
    expect(await run('sbverify', ['--cert', `${ours}.pem`, signed])).toContain('Signature verification OK');
    await expect(run('sbverify', ['--cert', `${theirs}.pem`, signed])).rejects.toThrow('sbverify');
    expect(readFileSync(join(assets, 'peerboot-x64.efi')).equals(readFileSync(PROGRAM))).toBe(true);
    const { files } = JSON.parse(readFileSync(join(assets, 'provenance.json'), 'utf8')) as {
      files: { name: string; origin: string }[];
    };
    expect(files.map(({ name }) => name)).toEqual(['peerboot-x64.efi', SIGNED]);
    expect(files[1]?.origin).toContain('CN=Peerboot test');
    expect(verifyBootAssets({ assets, json: true })).toBe(0);
    writeFileSync(signed, 'changed');
    expect(verifyBootAssets({ assets, json: true })).toBe(1);
  });

  it('gives a shim its second stage, and signs again without end', async () => {
    mkdirSync(join(assets, 'shim'));
    cpSync(PROGRAM, join(assets, 'shim/shimx64.efi'));
    await sign({ out });
    await sign({ out });
    const [agent, second] = [SIGNED, 'shim/grubx64.efi'].map((name) => readFileSync(join(out, name)));
    expect(second?.equals(agent ?? Buffer.alloc(0))).toBe(true);
    expect(verifyBootAssets({ assets: out, json: true })).toBe(0);
    expect(existsSync(join(assets, SIGNED))).toBe(false);
  });
});

describe('nothing is signed', () => {
  const cases: readonly (readonly [
    why: string,
    options: () => Partial<SignOptions>,
    code: string,
    says: string,
  ])[] = [
    [
      'the key of another certificate',
      () => ({ key: `${theirs}.key` }),
      'PB-SIGN-FAILED',
      'is not the key of',
    ],
    ['a key that is no key', () => ({ key: `${ours}.pem` }), 'PB-SIGN-FAILED', 'holds no key in PEM form'],
    ['no key at all', () => ({ key: join(scratch, 'none') }), 'PB-SIGN-FAILED', 'cannot be read'],
    ['a certificate that is none', () => ({ cert: `${ours}.key` }), 'PB-SIGN-FAILED', 'holds no certificate'],
    [
      'a key that firmware may not know',
      () => ({ key: `${ecdsa}.key`, cert: `${ecdsa}.pem` }),
      'PB-SIGN-FAILED',
      'no RSA key',
    ],
    ['a certificate of yesterday', () => ({ cert: `${old}.pem` }), 'PB-SIGN-FAILED', 'was valid until'],
    [
      'a key where every machine may read it',
      () => {
        cpSync(`${ours}.key`, join(assets, 'db.key'));
        return { key: join(assets, 'db.key') };
      },
      'PB-SIGN-FAILED',
      'which every machine may read',
    ],
    [
      'an agent that is no program',
      () => {
        writeFileSync(join(assets, 'peerboot-x64.efi'), 'no program');
        return {};
      },
      'PB-SIGN-FAILED',
      'sbsign:',
    ],
    [
      'an agent that was deleted',
      () => {
        rmSync(join(assets, 'peerboot-x64.efi'));
        return {};
      },
      'PB-SIGN-FAILED',
      'sbsign:',
    ],
    [
      'a folder without an agent',
      () => {
        describeFiles();
        return {};
      },
      'PB-ASSETS-MISSING',
      'no agent to sign',
    ],
    [
      'a folder that is none of boot assets',
      () => {
        rmSync(join(assets, 'provenance.json'));
        return {};
      },
      'PB-ASSETS-MISSING',
      'no provenance.json',
    ],
    [
      'a copy that cannot be written',
      () => ({ out: join(`${ours}.pem`, 'out') }),
      'PB-SIGN-FAILED',
      'cannot be written',
    ],
    [
      'a copy over something else',
      () => {
        mkdirSync(out);
        writeFileSync(join(out, 'thesis.txt'), 'mine');
        return { out };
      },
      'PB-SIGN-FAILED',
      'no folder of boot assets',
    ],
  ];
  it.each(cases)('%s', async (_, options, code, says) => {
    const told = options();
    const error = await sign(told).then(
      () => undefined,
      (thrown: unknown) => thrown as { code: string; message: string },
    );
    expect(error).toMatchObject({ code, message: expect.stringContaining(says) });
    for (const folder of [assets, told.out ?? assets]) expect(existsSync(join(folder, SIGNED))).toBe(false);
  });

  it('where no signing tool is installed', async () => {
    const { PATH } = process.env;
    process.env.PATH = scratch;
    try {
      await expect(sign()).rejects.toMatchObject({ code: 'PB-SIGN-TOOL-MISSING' });
    } finally {
      process.env.PATH = PATH;
    }
  });
});
