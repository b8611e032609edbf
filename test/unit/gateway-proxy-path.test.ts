import { expect, test } from 'vitest';
import { answerFor } from '../../src/gateway/proxy/answer.ts';
import { parseProxyPath } from '../../src/gateway/proxy/proxy-path.ts';

function refusal(url: string): [number, string] {
  try {
    parseProxyPath(url);
  } catch (error) {
    const { status, reason } = answerFor(error);
    return [status, reason];
  }
  throw new Error(`${url} was taken`);
}

test.each([
  ['/proxy/nodes/edge-1/', 'http', { node: 'edge-1', host: 'edge-1', port: 80 }],
  ['/proxy/nodes/https:edge-1/', 'https', { node: 'edge-1', host: 'edge-1', port: 443 }],
  ['/proxy/nodes/http:edge-1/', 'http', { node: 'edge-1', host: 'edge-1', port: 80 }],
  ['/proxy/nodes/https:edge-1:10250/', 'https', { node: 'edge-1', host: 'edge-1', port: 10_250 }],
  ['/proxy/nodes/https:edge-1:/', 'https', { node: 'edge-1', host: 'edge-1', port: 443 }],
  ['/proxy/nodes/https%3Aedge-1%3A10250/', 'https', { node: 'edge-1', host: 'edge-1', port: 10_250 }],
  ['/proxy/nodes/http:https:443/', 'http', { node: 'https', host: 'https', port: 443 }],
  ['/proxy/hosts/db.internal:5432/', 'http', { host: 'db.internal', port: 5432 }],
  ['/proxy/hosts/https:10.0.0.5:8443/', 'https', { host: '10.0.0.5', port: 8443 }],
  ['/proxy/hosts/[fd00::7]:8080/', 'http', { host: 'fd00::7', port: 8080 }],
  ['/proxy/hosts/https:%5Bfd00::7%5D:8443/', 'https', { host: 'fd00::7', port: 8443 }],
])('%s names its target', (url, scheme, target) => {
  expect(parseProxyPath(url)).toMatchObject({ scheme, target, rest: '/', lacksSlash: false });
});

test.each([
  ['/proxy/nodes/edge-1', '/', true],
  ['/proxy/nodes/edge-1?watch=1', '/?watch=1', true],
  ['/proxy/nodes/edge-1/', '/', false],
  ['/proxy/nodes/edge-1/a%2Fb/%2e%2e/../c//d/?q=%20+;x#y', '/a%2Fb/%2e%2e/../c//d/?q=%20+;x#y', false],
  ['/proxy/nodes/edge-1/../../hosts/10.0.0.5:80/', '/../../hosts/10.0.0.5:80/', false],
  ['/proxy/nodes/edge-1//elsewhere/', '//elsewhere/', false],
  ['/proxy/nodes/edge-1/\u00e4', '/\u00e4', false],
])('of %s, the target gets %s', (url, rest, lacksSlash) => {
  const path = parseProxyPath(url);
  expect(path).toMatchObject({ rest, lacksSlash, target: { node: 'edge-1' } });
  if (!lacksSlash) expect(path.prefix + path.rest).toBe(url);
});

test.each([
  ['/proxy/nodes/', 'NODE'],
  ['/proxy/nodes/Edge-1/', 'lower case'],
  ['/proxy/nodes/edge-1:0/', 'port'],
  ['/proxy/nodes/edge-1:70000/', 'port'],
  ['/proxy/nodes/edge-1:8o/', 'port'],
  ['/proxy/nodes/edge-1:80:90/', 'NODE'],
  ['/proxy/nodes/..%2Fhosts/', 'NODE'],
  ['/proxy/nodes/edge%ZZ/', 'percent'],
  ['/proxy/nodes/edge-1%00/', 'NODE'],
  ['/proxy/nodes/edge-1%0d%0ax:80/', 'NODE'],
  ['/proxy/hosts/', 'HOST:PORT'],
  ['/proxy/hosts/db.internal/', 'port'],
  ['/proxy/hosts/db.internal:/', 'port'],
  ['/proxy/hosts/db.internal:0/', 'port'],
  ['/proxy/hosts/https:db.internal:70000/', 'port'],
  ['/proxy/hosts/fd00::7:80/', 'HOST:PORT'],
  ['/proxy/hosts/[fd00::7/', 'HOST:PORT'],
  ['/proxy/hosts/[db]:80/', 'IPv6'],
  ['/proxy/hosts/user@db:80/', 'name'],
  ['/proxy/hosts/10.0.0.256:80/', 'address'],
  ['/proxy/hosts/db%2Finternal:80/', 'name'],
  ['http://db.internal/', 'forward proxy'],
])('%s names no target: 400', (url, reason) => {
  const [status, said] = refusal(url);
  expect(status).toBe(400);
  expect(said).toContain(reason);
});

test.each([
  '/',
  '*',
  '/proxy',
  '/proxy/',
  '/proxy/pods/x/',
  '/Proxy/nodes/x/',
  '//proxy/nodes/x/',
  '/x/../proxy/nodes/x/',
])('%s is none of the paths: 404', (url) => {
  expect(refusal(url)[0]).toBe(404);
});
