// The licences of the packages that are inside of a bundle: each asks that its text go where its code goes.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import * as z from 'zod';

const manifestSchema = z.object({ name: z.string(), version: z.string(), license: z.string() });
const licenseFile = /^(licen[cs]e|copying|notice)(\.(md|txt))?$/i;

/**
 * One text with all of them, by name of the package.
 *
 * @throws Error where a package comes without its licence
 */
export function licensesOf(metafile: Metafile): string {
  const directories = new Set<string>();
  for (const input of Object.keys(metafile.inputs)) {
    const directory = /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(input)?.[0];
    if (directory !== undefined) directories.add(directory);
  }
  return [...directories].map(licenseOf).sort().join('\n');
}

function licenseOf(directory: string): string {
  const { name, version, license } = manifestSchema.parse(
    JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')),
  );
  const files = readdirSync(directory).filter((file) => licenseFile.test(file));
  if (files.length === 0) throw new Error(`${name} comes without the text of its licence`);
  const texts = files.map((file) => readFileSync(join(directory, file), 'utf8').trim());
  return `${name} ${version} (${license})\n${'-'.repeat(72)}\n${texts.join('\n\n')}\n\n`;
}
