// The laws of the house: what may import what, and what the lower floors may never touch.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FLOORS, ROOF, ROOT, roomOfImport, type SourceFile, sourceFiles } from './source.ts';

const files = sourceFiles('src');
const everything = ['src', 'test', 'bench', 'tools', 'boot-assets', 'images'].flatMap((folder) =>
  existsSync(join(ROOT, folder)) ? sourceFiles(folder) : [],
);

/** Lines of code, comments and string contents taken out, so that prose may name what code may not. */
function code(file: SourceFile): string {
  return file.text
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/(^|\s)\/\/.*$/gm, '')
    .replaceAll(/'(?:[^'\\\n]|\\.)*'/g, "''");
}

function offenders(list: readonly SourceFile[], pattern: RegExp): string[] {
  return list.flatMap((file) => {
    const hit = pattern.exec(code(file));
    return hit === null ? [] : [`${file.path}: ${hit[0].trim()}`];
  });
}

describe('floors', () => {
  it('every file of src lies in a known room or is a roof', () => {
    expect(files.filter((file) => Number.isNaN(file.floor)).map((file) => file.path)).toEqual([]);
    expect(
      files
        .filter((file) => file.floor === ROOF && !/^src\/([a-z]+-)?main\.ts$/.test(file.path))
        .map((f) => f.path),
    ).toEqual([]);
  });

  it('a file imports its own room or a lower floor', () => {
    const wrong = files.flatMap((file) =>
      file.imports.flatMap((specifier) => {
        const room = roomOfImport(file, specifier);
        if (room === undefined || room === file.room) return [];
        const floor = room === 'roof' ? ROOF : (FLOORS[room] ?? Number.POSITIVE_INFINITY);
        return floor < file.floor ? [] : [`${file.path} imports ${specifier}`];
      }),
    );
    expect(wrong).toEqual([]);
  });

  it('service, agent and sim never import io: adapters are handed in', () => {
    const wrong = files
      .filter((file) => ['service', 'agent', 'sim'].includes(file.room ?? ''))
      .flatMap((file) =>
        file.imports.filter((s) => roomOfImport(file, s) === 'io').map((s) => `${file.path}: ${s}`),
      );
    expect(wrong).toEqual([]);
  });

  it('only io, the commands and the roofs touch node:*', () => {
    const wrong = files
      .filter((file) => file.floor !== 3 && file.floor < 5)
      .filter((file) => /^\s*import\s+(?!type\b)[^;]*?['"]node:/m.test(file.text))
      .map((file) => file.path);
    expect(wrong).toEqual([]);
  });

  it('floors 0 to 2 import no package, but for zod in api', () => {
    const wrong = files
      .filter((file) => file.floor <= 2)
      .flatMap((file) =>
        file.imports
          .filter((s) => !s.startsWith('.') && !(file.room === 'api' && s === 'zod'))
          .map((s) => `${file.path}: ${s}`),
      );
    expect(wrong).toEqual([]);
  });

  it('floors 0 to 2 have no clock, timer, randomness, process, network or async', () => {
    const impure =
      /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.|\bset(Timeout|Interval|Immediate)\b|\bMath\.random\b|\bprocess\.|(?:[=(]|return)\s*fetch\(|\basync\s|\bawait\s|\bcrypto\./;
    expect(
      offenders(
        files.filter((file) => file.floor <= 2),
        impure,
      ),
    ).toEqual([]);
  });
});

const tests = everything.filter((file) => /^test\/(?!house\/)/.test(file.path));

describe('style', () => {
  it('every file opens with one sentence that says what it is for', () => {
    expect(
      everything.filter((file) => !/^(#!.*\n)?\/\/ \S.*/.test(file.text)).map((file) => file.path),
    ).toEqual([]);
  });

  it('no file is longer than 400 lines', () => {
    const long = everything.filter((file) => file.text.split('\n').length > 400);
    expect(long.map((file) => file.path)).toEqual([]);
  });

  it('no test sleeps a fixed time', () => {
    expect(offenders(tests, /\bsleep\(|\bawait\s+(?:setTimeout|delay)\(/)).toEqual([]);
  });

  it('no skipped or focused test', () => {
    expect(offenders(tests, /\b(?:it|test|describe)\.(?:skip|only|todo)\(/)).toEqual([]);
  });

  it('says the words of the field', () => {
    const wrong = /\bDHCP[ -]prox(y|ies)\b|\bbootloader\b/i;
    const prose = everything.filter((file) => !file.path.startsWith('test/house/') && wrong.test(file.text));
    expect(prose.map((file) => file.path)).toEqual([]);
  });

  it('leaves no note to oneself in the code', () => {
    const note = /\b(TODO|FIXME|XXX)\b/;
    const hits = everything.filter((file) => !file.path.startsWith('test/house/') && note.test(file.text));
    expect(hits.map((file) => file.path)).toEqual([]);
  });
});

describe('documents', () => {
  it('ARCHITECTURE.md names every room', () => {
    const text = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');
    const rooms = new Set(files.map((file) => file.room).filter((room) => room !== undefined));
    expect([...rooms].filter((room) => !text.includes(`${room}/`))).toEqual([]);
  });
});
