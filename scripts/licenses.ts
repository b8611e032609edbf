// The licences of the packages that are inside of a bundle: each asks that its text go where its code goes.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import * as z from 'zod';

const manifestSchema = z.object({
  name: z.string(),
  version: z.string(),
  license: z.string(),
  author: z.union([z.string(), z.object({ name: z.string() }).transform((author) => author.name)]).optional(),
});
type Manifest = z.infer<typeof manifestSchema>;

const licenseFile = /^(licen[cs]e|copying|notice)(\.(md|txt))?$/i;

/**
 * One text with all of them, by name of the package.
 *
 * @throws Error where a package comes without its licence, unless that is MIT
 */
export function licensesOf(metafile: Metafile): string {
  const directories = new Set<string>();
  // What was looked at and left out is not in the list of an output.
  const inputs = Object.values(metafile.outputs).flatMap((output) => Object.keys(output.inputs));
  for (const input of inputs) {
    const directory = /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(input)?.[0];
    if (directory !== undefined) directories.add(directory);
  }
  return [...directories].map(licenseOf).sort().join('\n');
}

/** Of a package that names its licence and brings no text of it. https://spdx.org/licenses/MIT.html */
function textOf({ name, license, author }: Manifest): string {
  if (license !== 'MIT') throw new Error(`${name} comes without the text of its licence`);
  return `Copyright (c) ${author ?? `the authors of ${name}`}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;
}

function licenseOf(directory: string): string {
  const manifest = manifestSchema.parse(JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')));
  const { name, version, license } = manifest;
  const files = readdirSync(directory).filter((file) => licenseFile.test(file));
  const texts = files.map((file) => readFileSync(join(directory, file), 'utf8').trim());
  if (texts.length === 0) texts.push(textOf(manifest));
  return `${name} ${version} (${license})\n${'-'.repeat(72)}\n${texts.join('\n\n')}\n\n`;
}
