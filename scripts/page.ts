// Makes the status page one document, and a module of it, so that every engine serves it from its code alone:
// `scripts/page`. Its style and script stand in it, and its policy names both by their hashes.

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const style = await bundle('src/page/style.css');
const script = await bundle('src/page/main.ts');
const html = readFileSync('src/page/page.html', 'utf8')
  .replace(/\n\s*/g, '\n')
  .replace('/*style*/', () => style)
  .replace('/*script*/', () => script);
const policy = [
  "default-src 'none'",
  `script-src ${hashOf(script)}`,
  `style-src ${hashOf(style)}`,
  'img-src data:',
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');
writeFileSync(
  'src/page/page.generated.ts',
  [
    '// Made by scripts/page of what stands beside it.',
    `export const pageHtml = ${JSON.stringify(html)};`,
    `export const pagePolicy = ${JSON.stringify(policy)};`,
    '',
  ].join('\n'),
);

async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: entry.endsWith('.css') ? 'esm' : 'iife',
    charset: 'utf8',
    target: ['chrome111', 'firefox113', 'safari16.4'],
    write: false,
  });
  const text = outputFiles[0]?.text.trim() ?? '';
  // It would end the element that it stands in.
  if (/<\/(script|style)/i.test(text)) throw new Error(`${entry}: an end tag in it`);
  return text;
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
