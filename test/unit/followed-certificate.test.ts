// A certificate and its key, followed together: what is told is whole, and told once.

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { followCertificate, readCertificate } from '../../src/files/followed-certificate.ts';
import { Authority, type Issued } from '../rig/certificates.ts';
import { Rig } from '../rig/rig.ts';

let rig: Rig;
let ca: Authority;
beforeAll(async () => {
  rig = new Rig();
  ca = await Authority.create(rig, 'ca');
});
afterAll(() => rig[Symbol.asyncDispose]());

const text = (path: string) => readFileSync(path, 'utf8');

/** Follows, and notes what is told. */
async function follow({ cert, key }: Issued) {
  const told: string[] = [];
  const followed = await followCertificate({ cert, key, ca: ca.cert }, (error) => told.push(String(error)));
  followed.onChanged((material) => told.push(material.cert));
  return { followed, told };
}

test('two files that are replaced one after the other are one change', async () => {
  const [old, next, last] = [await ca.issue('a1'), await ca.issue('a2'), await ca.issue('a3')];
  const { followed, told } = await follow(old);
  expect(followed.value()).toMatchObject({ cert: text(old.cert), key: text(old.key) });
  for (const one of [next, last]) {
    const wanted = text(one.cert);
    renameSync(one.cert, old.cert);
    renameSync(one.key, old.key);
    await expect.poll(() => told.at(-1), { timeout: 10_000 }).toBe(wanted);
    expect(followed.value().cert).toBe(wanted);
  }
  expect(told).toHaveLength(2);
  followed.close();
});

test('half of a replacement is told once, and what was good stays until the other half has come', async () => {
  const [old, next] = [await ca.issue('b1'), await ca.issue('b2')];
  const { followed, told } = await follow(old);
  const [before, after] = [text(old.cert), text(next.cert)];
  renameSync(next.cert, old.cert);
  await expect.poll(() => told, { timeout: 10_000 }).toHaveLength(1);
  expect(told[0]).toContain('do not belong together');
  // Written again as it was: as bad as before, and no news.
  writeFileSync(old.key, text(old.key));
  expect(followed.value().cert).toBe(before);
  renameSync(next.key, old.key);
  await expect.poll(() => followed.value().cert, { timeout: 10_000 }).toBe(after);
  expect(told).toEqual([told[0], after]);
  followed.close();
});

test('authorities that are replaced are a change, too; half a list is none', async () => {
  const pair = await ca.issue('c1');
  const other = await Authority.create(rig, 'other');
  const bundle = rig.write('bundle.pem', text(ca.cert));
  const told: string[] = [];
  const followed = await followCertificate({ ...pair, ca: bundle }, (error) => told.push(String(error)));
  followed.onChanged(({ ca: authorities }) => told.push(`${authorities?.length} authorities`));
  rig.write('bundle.pem', text(ca.cert) + text(other.cert));
  await expect.poll(() => told, { timeout: 10_000 }).toEqual(['2 authorities']);
  rig.write('bundle.pem', text(ca.cert) + text(other.cert).slice(0, 200));
  await expect.poll(() => told, { timeout: 10_000 }).toHaveLength(2);
  expect(told[1]).toContain('cut short');
  expect(followed.value().ca).toHaveLength(2);
  followed.close();
  rig.write('bundle.pem', text(ca.cert));
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(told).toHaveLength(2);
});

test('a chain, text around it, and certificate and key in one file are as good', async () => {
  const { cert, key } = await ca.issue('d1');
  const chain = rig.write('chain.pem', `issued to d1\n${text(cert)}\nissuer\n${text(ca.cert)}`);
  await expect(readCertificate({ cert: chain, key })).resolves.toMatchObject({ cert: text(chain) });
  const both = rig.write('both.pem', text(key) + text(cert));
  await expect(readCertificate({ cert: both, key: both })).resolves.toMatchObject({ key: text(both) });
  // The other way round the first certificate is the authority's, which the key is not for.
  const wrong = rig.write('wrong.pem', text(ca.cert) + text(cert));
  await expect(readCertificate({ cert: wrong, key })).rejects.toMatchObject({ code: 'ERR_CONFIG' });
  // A key is never an authority.
  await expect(readCertificate({ cert, key, ca: both })).rejects.toThrowError('holds a private key');
});
